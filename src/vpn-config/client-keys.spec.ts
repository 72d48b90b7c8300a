import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isLowOrder, wireguardPublicKey } from '../nodes/index.js';
import { makeClientKeys } from './client-keys.js';

const x25519 = (x: Buffer, d?: Buffer) => ({
  key: { kty: 'OKP', crv: 'X25519', x: x.toString('base64url'), ...(d && { d: d.toString('base64url') }) },
  format: 'jwk' as const,
});

describe('makeClientKeys', () => {
  it('generates a matching pair of 32-byte keys', () => {
    const [first, second] = [makeClientKeys(), makeClientKeys()];
    expect([first.publicKey.length, first.privateKey.length]).toEqual([32, 32]);
    const secret = ({ privateKey, publicKey }: typeof first, peer: Buffer) =>
      diffieHellman({
        privateKey: createPrivateKey(x25519(publicKey, privateKey)),
        publicKey: createPublicKey(x25519(peer)),
      });
    expect(secret(first, second.publicKey)).toEqual(secret(second, first.publicKey));
  });

  it('generates a different pair each time, with a public key that a client could have sent', () => {
    const keys = Array.from({ length: 50 }, () => makeClientKeys().publicKey);
    expect(keys.some(isLowOrder)).toBe(false);
    expect(keys.every((key) => wireguardPublicKey.safeParse(key.toString('base64')).success)).toBe(true);
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(50);
  });
});
