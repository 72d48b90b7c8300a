import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { TestIssuer } from '../test/issuer.js';
import { type Bytes, toBase64url, toBigInt } from './bytes.js';
import { parseTokenKey } from './token-key.js';

const { spki } = new TestIssuer();
const at = (index: number, change: (byte: number) => number) =>
  spki.map((byte, position) => (position === index ? change(byte) : byte));

describe('parseTokenKey', () => {
  it('parses a key whose id is the SHA-256 of its 342 bytes', async () => {
    const key = await parseTokenKey(spki);
    expect(spki).toHaveLength(342);
    expect(toBase64url(key.keyId)).toBe(createHash('sha256').update(spki).digest('base64url'));
    expect(key.n).toBe(toBigInt(spki.slice(81, 337)));
    expect(key.e).toBe(65537n);
  });

  const native = generateKeyPairSync('rsa-pss', {
    modulusLength: 2048,
    hashAlgorithm: 'sha384',
    mgf1HashAlgorithm: 'sha384',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  }).publicKey;

  it.each<[string, Bytes]>([
    ['is empty', new Uint8Array()],
    ['is short', spki.slice(0, -1)],
    ['has an extra byte', Uint8Array.of(...spki, 0)],
    ['names another salt length', at(66, (byte) => byte ^ 1)],
    ['names another hash', at(33, (byte) => byte ^ 1)],
    ['has an even modulus', at(336, (byte) => byte & 0xfe)],
    ['has a modulus of less than 2048 bits', at(81, (byte) => byte & 0x7f)],
    ['has another exponent', at(341, (byte) => byte ^ 2)],
    ['has the same parameters in another encoding, as Node does', new Uint8Array(native)],
  ])('refuses a key that %s', async (_, invalid) => {
    await expect(parseTokenKey(invalid)).rejects.toMatchObject({ code: 'invalid_token_key' });
  });
});
