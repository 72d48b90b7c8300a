import { constants, type KeyObject, verify } from 'node:crypto';
import { signatureBytes, tokenBytes } from '../token.js';

/**
 * RFC 9578 §6.3 and RFC 9474 §4.5: RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes, over the token without
 * preparation (the Deterministic variant). It takes 24 µs, so it runs on the main thread.
 *
 * @param publicKey a plain `rsa` key
 * @param token 98 bytes @param signature 256 bytes; anything else does not verify
 */
export function verifyToken(publicKey: KeyObject, token: Buffer, signature: Buffer): boolean {
  if (token.length !== tokenBytes || signature.length !== signatureBytes) return false;
  return verifyMessage(publicKey, token, signature);
}

/** Verifies a signature of a message of any length. */
export function verifyMessage(publicKey: KeyObject, message: Buffer, signature: Buffer): boolean {
  return verify(
    'sha384',
    message,
    { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 },
    signature,
  );
}
