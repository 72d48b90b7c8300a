import { type RsaPublicKey } from './blind-rsa.js';
import { type Bytes, equal, fromHex, sha256, toBigInt } from './bytes.js';
import { TokenError } from './errors.js';

/**
 * The only accepted encoding of a token key (RFC 9578 §6.5): SubjectPublicKeyInfo, OID RSASSA-PSS with SHA-384, MGF1 with
 * SHA-384 and salt 48. With RSA-2048 and e = 65537 all bytes but the modulus are fixed. The same key in another encoding would
 * have another key id, which could tell its tokens apart, so it is refused.
 */
const beforeModulus = fromHex(
  '30820152' + // SEQUENCE
    '303d06092a864886f70d01010a3030a00d300b0609608648016503040202' + // AlgorithmIdentifier: RSASSA-PSS, SHA-384,
    'a11a301806092a864886f70d010108300b0609608648016503040202a203020130' + // MGF1 with SHA-384, salt 48
    '0382010f00' + // BIT STRING
    '3082010a' + // RSAPublicKey
    '0282010100', // modulus: its first bit is set, so a zero byte in front keeps it positive
);
const afterModulus = fromHex('0203010001');
const modulusBytes = 256;

export interface TokenKey extends RsaPublicKey {
  /** 342 bytes of DER. */
  readonly spki: Bytes;
  /** SHA-256 of `spki`: 32 bytes. */
  readonly keyId: Bytes;
}

/**
 * @param spki DER, 342 bytes
 * @throws {TokenError} `invalid_token_key`
 */
export async function parseTokenKey(spki: Bytes): Promise<TokenKey> {
  const end = beforeModulus.length + modulusBytes;
  const modulus = spki.slice(beforeModulus.length, end);
  const matchesTemplate =
    equal(spki.slice(0, beforeModulus.length), beforeModulus) && equal(spki.slice(end), afterModulus);
  const [first = 0, last = 0] = [modulus[0], modulus[modulusBytes - 1]];
  if (!matchesTemplate || first < 0x80 || last % 2 === 0) {
    throw new TokenError(
      'invalid_token_key',
      'The token key is invalid. Expected RSA-2048 with e = 65537 in the encoding of RFC 9578 §6.5.',
    );
  }
  return { spki, keyId: await keyIdOf(spki), n: toBigInt(modulus), e: 65537n };
}

/** token_key_id of RFC 9578 §6.5: 32 bytes. */
export async function keyIdOf(spki: Bytes): Promise<Bytes> {
  return sha256(spki);
}
