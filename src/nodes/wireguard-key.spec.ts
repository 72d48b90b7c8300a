import { createPublicKey, diffieHellman, generateKeyPairSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeWireguardKey, encodeWireguardKey, isLowOrder, wireguardPublicKey } from './wireguard-key.js';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Whether OpenSSL refuses the key, as it does when the shared secret is zero (RFC 7748 §6.1). */
function hasKnownSecret(point: Uint8Array): boolean {
  const spki = Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), point]);
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  try {
    diffieHellman({ privateKey: generateKeyPairSync('x25519').privateKey, publicKey });
    return false;
  } catch {
    return true;
  }
}

const nearTheEdges = [
  ...[0, 1, 2].map((first) => Buffer.from([first, ...Buffer.alloc(31)])),
  ...[0xeb, 0xec, 0xed, 0xee, 0xef, 0xff].map((first) => Buffer.from([first, ...Buffer.alloc(30, 0xff), 0x7f])),
  Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex'),
  Buffer.from('5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157', 'hex'),
].flatMap((point) => [point, Buffer.from(point.map((byte, index) => (index === 31 ? byte | 0x80 : byte)))]);

describe('WireGuard keys', () => {
  it('decode from exactly one text, which encodes them', () => {
    fc.assert(
      fc.property(bytes32, (key) => {
        const text = encodeWireguardKey(key);
        expect(text).toHaveLength(44);
        expect(decodeWireguardKey(text)).toEqual(Buffer.from(key));
      }),
    );
  });

  it.each([
    ['an empty text', ''],
    ['31 bytes', randomBytes(31).toString('base64')],
    ['33 bytes', randomBytes(33).toString('base64')],
    ['no padding', 'A'.repeat(43)],
    ['base64url', `${'_'.repeat(42)}8=`],
    ['unused bits set', `${'A'.repeat(42)}B=`],
    ['a line end', `${'A'.repeat(43)}=\n`],
    ['a space within', `${'A'.repeat(20)} ${'A'.repeat(22)}=`],
    ['hex', randomBytes(22).toString('hex')],
  ])('do not decode from %s', (_, text) => {
    expect(decodeWireguardKey(text)).toBeUndefined();
    expect(wireguardPublicKey.safeParse(text).success).toBe(false);
  });

  it.each(nearTheEdges.map((point) => [point.toString('hex'), point] as const))(
    'isLowOrder agrees with OpenSSL about %s',
    (_, point) => {
      expect(isLowOrder(point)).toBe(hasKnownSecret(point));
      expect(wireguardPublicKey.safeParse(encodeWireguardKey(point)).success).toBe(!hasKnownSecret(point));
    },
  );

  it('tries points of low order, with and without the top bit', () => {
    expect(nearTheEdges.filter(hasKnownSecret)).toHaveLength(14);
  });

  it('parse to their bytes in a schema', () => {
    const key = generateKeyPairSync('x25519').publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    expect(wireguardPublicKey.parse(encodeWireguardKey(key))).toEqual(key);
  });
});
