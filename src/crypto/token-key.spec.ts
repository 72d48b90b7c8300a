import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { publicVerif } from '@cloudflare/privacypass-ts';
import { describe, expect, it } from 'vitest';
import { encodeTokenKey, keyIdOf, parseTokenKey, truncatedKeyId } from './token-key.js';

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const spki = encodeTokenKey(pair.publicKey);

describe('encodeTokenKey and parseTokenKey', () => {
  it('use 342 bytes with the AlgorithmIdentifier of RSASSA-PSS with SHA-384 and salt 48', () => {
    expect(spki).toHaveLength(342);
    expect(spki.subarray(4, 67).toString('hex')).toBe(
      '303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b0609608648016503040202a203020130',
    );
  });

  it('produce DER that another parser reads with the same modulus, exponent and PSS parameters', () => {
    const read = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    expect(read.asymmetricKeyType).toBe('rsa-pss');
    expect(read.asymmetricKeyDetails).toMatchObject({
      modulusLength: 2048,
      publicExponent: 65537n,
      hashAlgorithm: 'sha384',
      mgf1HashAlgorithm: 'sha384',
      saltLength: 48,
    });
    const plain = Buffer.from(publicVerif.convertRSASSAPSSToEnc(new Uint8Array(spki)));
    expect(plain).toEqual(pair.publicKey.export({ format: 'der', type: 'spki' }));
  });

  it('identify a key by the SHA-256 of that DER, which differs from that of Node’s own export', () => {
    const key = parseTokenKey(spki);
    expect(key?.keyId).toEqual(createHash('sha256').update(spki).digest());
    expect(truncatedKeyId(keyIdOf(spki))).toBe(keyIdOf(spki)[31]);
    const reexported = createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({
      format: 'der',
      type: 'spki',
    });
    expect(parseTokenKey(reexported)).toBeUndefined();
  });

  it('encode a private key like its public key', () => {
    expect(encodeTokenKey(pair.privateKey)).toEqual(spki);
  });

  it('parse to a public key with the same modulus', () => {
    const key = parseTokenKey(spki);
    expect(key?.publicKey.export({ format: 'jwk' })).toEqual(pair.publicKey.export({ format: 'jwk' }));
    expect(key?.modulus.toString('base64url')).toBe(pair.publicKey.export({ format: 'jwk' }).n);
  });

  it('refuse another size or exponent', () => {
    for (const options of [
      { modulusLength: 1024 },
      { modulusLength: 3072 },
      { modulusLength: 2048, publicExponent: 3 },
    ]) {
      expect(() => encodeTokenKey(generateKeyPairSync('rsa', options).publicKey)).toThrow(RangeError);
    }
  });

  it('refuse a change of any fixed byte, a wrong length, and a short or even modulus', () => {
    const fixed = [...Array(81).keys(), 337, 338, 339, 340, 341];
    for (const index of fixed) {
      const changed = Buffer.from(spki);
      changed.writeUInt8(changed.readUInt8(index) ^ 0x01, index);
      expect(parseTokenKey(changed), `byte ${index}`).toBeUndefined();
    }
    expect(parseTokenKey(spki.subarray(0, 341))).toBeUndefined();
    expect(parseTokenKey(Buffer.concat([spki, Buffer.of(0)]))).toBeUndefined();
    expect(parseTokenKey(Buffer.alloc(0))).toBeUndefined();
    const short = Buffer.from(spki);
    short.writeUInt8(short.readUInt8(81) & 0x7f, 81);
    expect(parseTokenKey(short)).toBeUndefined();
    const even = Buffer.from(spki);
    even.writeUInt8(even.readUInt8(336) & 0xfe, 336);
    expect(parseTokenKey(even)).toBeUndefined();
  });
});
