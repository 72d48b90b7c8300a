import { z } from 'zod';

/** Bytes of a WireGuard key: an X25519 public value (RFC 7748 §5), or a preshared key. */
const wireguardKeyBytes = 32;

/**
 * The u-coordinates of small order, where every shared secret is zero whatever the private key (RFC 7748 §6.1;
 * https://cr.yp.to/ecdh.html#validate): 0, 1, two of order 8, and p−1, p, p+1. Little-endian, top bit clear.
 */
const lowOrderPoints = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/** Whether a public key gives a shared secret that everybody knows. X25519 ignores the top bit, and so does this. */
export function isLowOrder(publicKey: Uint8Array): boolean {
  const point = Buffer.from(publicKey);
  point.writeUInt8(point.readUInt8(wireguardKeyBytes - 1) & 0x7f, wireguardKeyBytes - 1);
  return lowOrderPoints.has(point.toString('hex'));
}

/** Standard base64 with padding, 44 characters, as `wg` reads and prints keys. */
export function encodeWireguardKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('base64');
}

/**
 * Strictly: a key has one text.
 *
 * @returns undefined unless `text` is 32 bytes of standard base64 with its padding, the unused bits zero
 */
export function decodeWireguardKey(text: string): Buffer<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return undefined;
  const key = Buffer.from(text, 'base64');
  return key.toString('base64') === text ? key : undefined;
}

/** A field that holds a WireGuard public key; parses to its 32 bytes. */
export const wireguardPublicKey = z
  .string()
  .meta({
    contentEncoding: 'base64',
    pattern: '^[A-Za-z0-9+/]{43}=$',
    examples: [encodeWireguardKey(Buffer.alloc(wireguardKeyBytes, 0x5a))],
  })
  .transform((text, context) => {
    const key = decodeWireguardKey(text);
    if (key !== undefined && !isLowOrder(key)) return key;
    const message =
      key === undefined
        ? 'expected a WireGuard public key: 32 bytes as standard base64 (44 characters, as `wg pubkey` prints it)'
        : 'expected a key that `wg genkey` made: this point has low order, its shared secret is known to everyone';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
