import { constants, generateKeyPairSync, type KeyObject, privateEncrypt } from 'node:crypto';
import { type Bytes, concat, fromBase64url, fromHex, toBase64url } from '../src/bytes.js';

/** An issuer with one key, whose SPKI is encoded as in RFC 9578 §6.5. */
export class TestIssuer {
  readonly spki: Bytes;
  /** 256 bytes. */
  readonly modulus: Bytes;
  readonly #privateKey: KeyObject;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.#privateKey = privateKey;
    this.modulus = fromBase64url(String(publicKey.export({ format: 'jwk' })['n']))!;
    this.spki = encodeSpki(this.modulus);
  }

  publicKey(): Promise<CryptoKey> {
    const jwk = { kty: 'RSA', n: toBase64url(this.modulus), e: 'AQAB' };
    return crypto.subtle.importKey('jwk', jwk, { name: 'RSA-PSS', hash: 'SHA-384' }, true, ['verify']);
  }

  /** BlindSign (RFC 9474 §4.3). */
  sign(blinded: Uint8Array): Bytes {
    return new Uint8Array(privateEncrypt({ key: this.#privateKey, padding: constants.RSA_NO_PADDING }, blinded));
  }
}

/** @param modulus 256 bytes */
function encodeSpki(modulus: Bytes): Bytes {
  const algorithm =
    '303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b0609608648016503040202a203020130';
  const head = `30820152${algorithm}0382010f003082010a0282010100`;
  return concat(fromHex(head), modulus, fromHex('0203010001'));
}
