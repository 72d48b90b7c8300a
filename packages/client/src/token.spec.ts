import { RSABSSA } from '@cloudflare/blindrsa-ts';
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { TestIssuer } from '../test/issuer.js';
import { fromHex, toBase64url, toHex } from './bytes.js';
import { blind, buildTokenChallenge, challengeDigestOf, finalize, parseTokenChallenge } from './token.js';

const issuer = new TestIssuer();
const challenge = buildTokenChallenge({ issuerName: 'issuer.example', originInfo: 'vpn.example' });

describe('parseTokenChallenge and buildTokenChallenge', () => {
  it('use the layout of RFC 9577 §2.1.1', () => {
    expect(toHex(challenge)).toBe(
      `0002000e${Buffer.from('issuer.example').toString('hex')}00000b${Buffer.from('vpn.example').toString('hex')}`,
    );
    expect(parseTokenChallenge(challenge)).toEqual({ issuerName: 'issuer.example', originInfo: 'vpn.example' });
  });

  it.each([
    ['of another type', '00010001610000'],
    ['without an issuer', '000200000000'],
    ['with a redemption context', `00020001612 0${'00'.repeat(32)}0000`.replace(' ', '')],
    ['that is truncated', '0002000161'],
    ['with extra bytes', '0002000161000000ff'],
    ['that is not UTF-8', '00020001ff000000'],
    ['that is empty', ''],
  ])('refuse a challenge %s', (_, hex) => {
    expect(() => parseTokenChallenge(fromHex(hex))).toThrow(expect.objectContaining({ code: 'invalid_challenge' }));
  });
});

describe('blind and finalize', () => {
  it('make a signed token with its type, a nonce, the challenge digest and the key id', async () => {
    const digest = await challengeDigestOf(challenge);
    const blinded = await blind(issuer.spki, digest);
    expect(blinded.token).toHaveLength(98);
    expect(toHex(blinded.token.slice(0, 2))).toBe('0002');
    expect(toHex(blinded.token.slice(34, 66))).toBe(createHash('sha256').update(challenge).digest('hex'));
    expect(toHex(blinded.token.slice(66))).toBe(createHash('sha256').update(issuer.spki).digest('hex'));

    const signature = await finalize(blinded, issuer.sign(blinded.blindedToken));
    const n = toBase64url(issuer.spki.slice(81, 337));
    const algorithm = { name: 'RSA-PSS', hash: 'SHA-384' };
    const key = await crypto.subtle.importKey('jwk', { kty: 'RSA', n, e: 'AQAB' }, algorithm, true, ['verify']);
    expect(await RSABSSA.SHA384.PSS.Deterministic().verify(key, signature, blinded.token)).toBe(true);
  });

  it('refuse the signature of another key', async () => {
    const blinded = await blind(issuer.spki, await challengeDigestOf(challenge));
    const other = new TestIssuer();
    let signature: Uint8Array | undefined;
    // A key cannot sign a number that is not below its modulus.
    try {
      signature = other.sign(blinded.blindedToken);
    } catch {
      signature = other.sign(blinded.blindedToken.map((byte, index) => (index === 0 ? 0 : byte)));
    }
    await expect(finalize(blinded, signature)).rejects.toMatchObject({ code: 'invalid_blind_signature' });
  });

  it('give each token its own nonce', async () => {
    const digest = await challengeDigestOf(challenge);
    const tokens = await Promise.all([1, 2, 3].map(() => blind(issuer.spki, digest)));
    expect(new Set(tokens.map(({ token }) => toHex(token.slice(2, 34)))).size).toBe(3);
  });
});
