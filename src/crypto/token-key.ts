import { createHash, createPublicKey, type KeyObject } from 'node:crypto';

/**
 * The published encoding of a token key: SubjectPublicKeyInfo with the RSASSA-PSS OID and the parameters SHA-384, MGF1 with
 * SHA-384, salt 48 (RFC 9578 §6.5). With RSA-2048 and e = 65537 every byte but the modulus is fixed, so one template serves
 * for building and for parsing. Node's own `rsa-pss` export writes NULL parameters into the hashes (346 bytes), which would
 * give a different key id.
 */
const beforeModulus = Buffer.from(
  '30820152' + // SEQUENCE
    '303d06092a864886f70d01010a3030a00d300b0609608648016503040202' + // AlgorithmIdentifier: RSASSA-PSS, SHA-384,
    'a11a301806092a864886f70d010108300b0609608648016503040202a203020130' + // MGF1 with SHA-384, salt 48
    '0382010f00' + // BIT STRING
    '3082010a' + // RSAPublicKey
    '0282010100', // modulus: its first bit is set, so a leading zero byte keeps it positive
  'hex',
);
const afterModulus = Buffer.from('0203010001', 'hex');

const modulusBytes = 256;
const spkiBytes = beforeModulus.length + modulusBytes + afterModulus.length;

export interface TokenKey {
  /** SHA-256 of `spki`: 32 bytes. */
  readonly keyId: Buffer;
  /** 342 bytes of DER. */
  readonly spki: Buffer;
  /** 256 bytes, big-endian. */
  readonly modulus: Buffer;
  /** A plain RSA key, which works for both RSA-PSS verification and raw operations. */
  readonly publicKey: KeyObject;
}

/** @returns undefined unless `spki` is exactly an RSA-2048 key with e = 65537 in RFC 9578's encoding */
export function parseTokenKey(spki: Buffer): TokenKey | undefined {
  if (spki.length !== spkiBytes) return undefined;
  if (!spki.subarray(0, beforeModulus.length).equals(beforeModulus)) return undefined;
  if (!spki.subarray(-afterModulus.length).equals(afterModulus)) return undefined;
  const modulus = spki.subarray(beforeModulus.length, -afterModulus.length);
  if (modulus.readUInt8(0) < 0x80 || modulus.readUInt8(modulusBytes - 1) % 2 === 0) return undefined;
  return { keyId: keyIdOf(spki), spki, modulus, publicKey: rsaPublicKey(modulus) };
}

/** Encodes the public half of an RSA key (private or public) as SPKI. */
export function encodeTokenKey(key: KeyObject): Buffer {
  const { n = '', e } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  const modulus = Buffer.from(n, 'base64url');
  if (modulus.length !== modulusBytes || e !== 'AQAB')
    throw new RangeError('a token key must be RSA-2048 with e = 65537');
  return Buffer.concat([beforeModulus, modulus, afterModulus]);
}

/** RFC 9578 §6.5: token_key_id = SHA256(encoded_key). */
export function keyIdOf(spki: Uint8Array): Buffer {
  return createHash('sha256').update(spki).digest();
}

/** RFC 9578 §6.1: the last byte of the key id, which identifies the key in a TokenRequest. */
export function truncatedKeyId(keyId: Buffer): number {
  return keyId.readUInt8(keyId.length - 1);
}

function rsaPublicKey(modulus: Buffer): KeyObject {
  return createPublicKey({
    key: { kty: 'RSA', n: modulus.toString('base64url'), e: 'AQAB' },
    format: 'jwk',
  });
}
