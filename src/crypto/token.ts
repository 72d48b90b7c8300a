/** Token type 0x0002, Blind RSA (2048-bit): RFC 9578 §8.2.2. */
export const blindRsa = 0x0002;

/** Length of a blinded message, a blind signature and a finalized signature: Nk of RFC 9578 §6. */
export const signatureBytes = 256;

/** Length of `token` on the wire, which is what the issuer signs (token_input of RFC 9578 §6.1). */
export const tokenBytes = 98;

/** The fields of a token without its signature. Each has 32 bytes. */
export interface TokenInput {
  readonly nonce: Buffer;
  readonly challengeDigest: Buffer;
  readonly keyId: Buffer;
}

/**
 * RFC 9578 §6.1:
 *
 *     token_input = concat(0x0002, nonce, challenge_digest, token_key_id)
 */
export function buildTokenInput({ nonce, challengeDigest, keyId }: TokenInput): Buffer {
  for (const part of [nonce, challengeDigest, keyId]) {
    if (part.length !== 32) throw new RangeError('nonce, challenge digest and key id must have 32 bytes each');
  }
  return Buffer.concat([Buffer.of(0x00, 0x02), nonce, challengeDigest, keyId]);
}

/** @returns undefined unless `bytes` is exactly one token_input of type 0x0002 */
export function parseTokenInput(bytes: Buffer): TokenInput | undefined {
  if (bytes.length !== tokenBytes || bytes.readUInt16BE(0) !== blindRsa) return undefined;
  return { nonce: bytes.subarray(2, 34), challengeDigest: bytes.subarray(34, 66), keyId: bytes.subarray(66, 98) };
}

/** Splits a Token (RFC 9577 §2.2.1, 354 bytes) into token and signature; undefined for another length or type. */
export function splitToken(bytes: Buffer): { token: Buffer; signature: Buffer } | undefined {
  if (bytes.length !== tokenBytes + signatureBytes || bytes.readUInt16BE(0) !== blindRsa) return undefined;
  return { token: bytes.subarray(0, tokenBytes), signature: bytes.subarray(tokenBytes) };
}

/** A TokenRequest's content (RFC 9578 §6.1). */
export interface TokenRequest {
  /** The last byte of the key id. */
  readonly truncatedKeyId: number;
  /** 256 bytes. */
  readonly blindedMessage: Buffer;
}

/**
 * RFC 9578 §6.1:
 *
 *     struct {
 *         uint16_t token_type = 0x0002;
 *         uint8_t truncated_token_key_id;
 *         uint8_t blinded_msg[Nk];
 *     } TokenRequest;
 *
 * @returns undefined unless `bytes` is exactly that (259 bytes)
 */
export function parseTokenRequest(bytes: Buffer): TokenRequest | undefined {
  if (bytes.length !== 3 + signatureBytes || bytes.readUInt16BE(0) !== blindRsa) return undefined;
  return { truncatedKeyId: bytes.readUInt8(2), blindedMessage: bytes.subarray(3) };
}
