import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isLowOrder, wireguardPublicKey } from '../nodes/index.js';
import { makeClientKeys } from './client-keys.js';

const x25519 = (x: Buffer, d?: Buffer) => ({
  key: { kty: 'OKP', crv: 'X25519', x: x.toString('base64url'), ...(d && { d: d.toString('base64url') }) },
  format: 'jwk' as const,
});

describe('a pair made for a client', () => {
  it('is 32 bytes each, and one half belongs to the other', () => {
    const [ours, theirs] = [makeClientKeys(), makeClientKeys()];
    expect([ours.publicKey.length, ours.privateKey.length]).toEqual([32, 32]);
    const secret = ({ privateKey, publicKey }: typeof ours, peer: Buffer) =>
      diffieHellman({
        privateKey: createPrivateKey(x25519(publicKey, privateKey)),
        publicKey: createPublicKey(x25519(peer)),
      });
    expect(secret(ours, theirs.publicKey)).toEqual(secret(theirs, ours.publicKey));
  });

  it('is one that a client could have sent, and never the same', () => {
    const keys = Array.from({ length: 50 }, () => makeClientKeys().publicKey);
    expect(keys.some(isLowOrder)).toBe(false);
    expect(keys.every((key) => wireguardPublicKey.safeParse(key.toString('base64')).success)).toBe(true);
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(50);
  });
});
