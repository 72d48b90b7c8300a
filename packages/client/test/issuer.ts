import { constants, generateKeyPairSync, type KeyObject, privateEncrypt } from 'node:crypto';
import { type Bytes, concat, fromBase64url, fromHex } from '../src/bytes.js';

/** An issuer's key for tests, with the SPKI of RFC 9578 §6.5. */
export class TestIssuer {
  readonly spki: Bytes;
  readonly #privateKey: KeyObject;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.#privateKey = privateKey;
    this.spki = encodeSpki(fromBase64url(String(publicKey.export({ format: 'jwk' })['n']))!);
  }

  /** BlindSign (RFC 9474 §4.3). */
  sign(blinded: Uint8Array): Bytes {
    return new Uint8Array(privateEncrypt({ key: this.#privateKey, padding: constants.RSA_NO_PADDING }, blinded));
  }
}

/** @param modulus 256 bytes */
export function encodeSpki(modulus: Bytes): Bytes {
  const algorithm =
    '303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b0609608648016503040202a203020130';
  const head = `30820152${algorithm}0382010f003082010a0282010100`;
  return concat(fromHex(head), modulus, fromHex('0203010001'));
}
