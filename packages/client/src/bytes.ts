/** Bytes in a plain ArrayBuffer, as WebCrypto requires. */
export type Bytes = Uint8Array<ArrayBuffer>;

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** @param hex an even number of digits */
export function fromHex(hex: string): Bytes {
  const bytes = new Uint8Array(hex.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16);
  }
  return bytes;
}

const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function toHex(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += hexOf[byte];
  return hex;
}

/** bytes_to_int of RFC 9474 §3, OS2IP of RFC 8017: big-endian, unsigned. */
export function toBigInt(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`);
}

/** int_to_bytes of RFC 9474 §3, I2OSP of RFC 8017. */
export function fromBigInt(value: bigint, length: number): Bytes {
  const hex = value.toString(16).padStart(length * 2, '0');
  if (hex.length > length * 2) throw new RangeError(`the number does not fit into ${length} bytes`);
  return fromHex(hex);
}

/** Standard base64 with padding, as WireGuard writes keys. */
export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** base64url without padding. */
export function toBase64url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/**
 * Decodes base64url, without padding or with correct padding. Strict: no two texts decode to the same bytes, padding aside.
 *
 * @param length the expected number of bytes; by default any
 * @returns undefined when the text is not valid base64url or has another length
 */
export function fromBase64url(text: string, length?: number): Bytes | undefined {
  const unpadded = text.replace(/=+$/, '');
  const padding = text.length - unpadded.length;
  if (!/^[A-Za-z0-9_-]*$/.test(unpadded) || unpadded.length % 4 === 1) return undefined;
  if (padding !== 0 && padding !== (4 - (unpadded.length % 4)) % 4) return undefined;
  const binary = atob(unpadded.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  // The last character may have bits that belong to no byte; they must be zero.
  if (toBase64url(bytes) !== unpadded) return undefined;
  return length === undefined || bytes.length === length ? bytes : undefined;
}

export function randomBytes(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}
