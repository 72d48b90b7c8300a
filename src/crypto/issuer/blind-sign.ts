import { constants, type KeyObject, privateEncrypt, publicEncrypt } from 'node:crypto';

/**
 * BlindSign of RFC 9474 §4.3, with OpenSSL's raw RSA. The keys stay parsed: parsing at each call would cost three quarters of
 * the throughput. OpenSSL blinds the private operation against timing attacks.
 */
export interface BlindSigner {
  /** A plain `rsa` key: an `rsa-pss` one refuses raw operations. */
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Big-endian; the first byte is not zero. */
  readonly modulus: Buffer;
}

/** Why a blinded message is not signed. */
export type Refusal = 'wrong_length' | 'out_of_range';

export class BlindSignError extends Error {
  constructor(readonly code: Refusal | 'signing_failure') {
    super(`blind signing refused: ${code}`);
    this.name = 'BlindSignError';
  }
}

/**
 * Why a blinded message must not be signed; undefined when it may. Stricter than the RFC, which allows 0 ≤ m < n: also refuses
 * 0, 1 and n − 1, which are their own signatures (or negatives) under every key, and which blinding never produces.
 */
export function refusalOf(modulus: Buffer, blindedMessage: Buffer): Refusal | undefined {
  if (blindedMessage.length !== modulus.length) return 'wrong_length';
  const one = Buffer.alloc(modulus.length);
  one.writeUInt8(1, modulus.length - 1);
  const minusOne = Buffer.from(modulus);
  minusOne.writeUInt8(modulus.readUInt8(modulus.length - 1) - 1, modulus.length - 1);
  return blindedMessage.compare(one) <= 0 || blindedMessage.compare(minusOne) >= 0 ? 'out_of_range' : undefined;
}

/**
 * @param blindedMessage as long as the modulus
 * @returns the blind signature, as long as the modulus
 * @throws {BlindSignError}
 */
export function blindSign(key: BlindSigner, blindedMessage: Buffer): Buffer {
  // 1. m = bytes_to_int(blinded_msg); raise "message representative out of range" unless it is one
  const refusal = refusalOf(key.modulus, blindedMessage);
  if (refusal !== undefined) throw new BlindSignError(refusal);
  // 2. s = RSASP1(sk, m)
  const signature = privateEncrypt({ key: key.privateKey, padding: constants.RSA_NO_PADDING }, blindedMessage);
  // 3. m' = RSAVP1(pk, s)
  const recovered = publicEncrypt({ key: key.publicKey, padding: constants.RSA_NO_PADDING }, signature);
  // 4. If m != m', raise "signing failure": a faulty signature would reveal the private key (Bellcore attack)
  if (!recovered.equals(blindedMessage)) throw new BlindSignError('signing_failure');
  // 5. blind_sig = int_to_bytes(s, modulus_len)
  return signature;
}
