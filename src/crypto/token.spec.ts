import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildTokenChallenge,
  challengeDigest,
  parseTokenChallenge,
  serviceChallenge,
  type TokenChallenge,
} from './token-challenge.js';
import { buildTokenInput, parseTokenInput, parseTokenRequest, splitToken } from './token.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b));

describe('buildTokenInput and parseTokenInput', () => {
  it('round-trips', () => {
    const input = fc.record({ nonce: bytes(32), challengeDigest: bytes(32), keyId: bytes(32) });
    fc.assert(
      fc.property(input, (parts) => {
        expect(parseTokenInput(buildTokenInput(parts))).toEqual(parts);
      }),
    );
  });

  it('use the layout of RFC 9578 §6.1', () => {
    const token = buildTokenInput({
      nonce: Buffer.alloc(32, 1),
      challengeDigest: Buffer.alloc(32, 2),
      keyId: Buffer.alloc(32, 3),
    });
    expect(token.toString('hex')).toBe(`0002${'01'.repeat(32)}${'02'.repeat(32)}${'03'.repeat(32)}`);
  });

  it('refuse another length or type', () => {
    const good = Buffer.concat([Buffer.of(0, 2), randomBytes(96)]);
    expect(parseTokenInput(good)).toBeDefined();
    expect(parseTokenInput(good.subarray(0, 97))).toBeUndefined();
    expect(parseTokenInput(Buffer.concat([good, Buffer.of(0)]))).toBeUndefined();
    expect(parseTokenInput(Buffer.alloc(0))).toBeUndefined();
    for (const type of [0x0000, 0x0001, 0x0003, 0x0200, 0xda7a]) {
      const other = Buffer.from(good);
      other.writeUInt16BE(type);
      expect(parseTokenInput(other)).toBeUndefined();
    }
  });

  it('refuse to build from parts of another length', () => {
    const part = Buffer.alloc(32);
    expect(() => buildTokenInput({ nonce: Buffer.alloc(31), challengeDigest: part, keyId: part })).toThrow(RangeError);
    expect(() => buildTokenInput({ nonce: part, challengeDigest: part, keyId: Buffer.alloc(33) })).toThrow(RangeError);
  });
});

describe('Token, TokenRequest and TokenResponse', () => {
  it('splits a Token of exactly 354 bytes', () => {
    const whole = Buffer.concat([Buffer.of(0, 2), randomBytes(352)]);
    expect(splitToken(whole)).toEqual({ token: whole.subarray(0, 98), signature: whole.subarray(98) });
    for (const length of [0, 1, 353]) expect(splitToken(whole.subarray(0, length))).toBeUndefined();
    expect(splitToken(Buffer.concat([whole, whole]))).toBeUndefined();
    expect(splitToken(Buffer.concat([Buffer.of(0, 1), randomBytes(352)]))).toBeUndefined();
  });

  it('parses a TokenRequest', () => {
    const request = Buffer.concat([Buffer.of(0, 2, 0xab), Buffer.alloc(256, 9)]);
    expect(parseTokenRequest(request)).toEqual({ truncatedKeyId: 0xab, blindedMessage: Buffer.alloc(256, 9) });
  });

  it('refuses a TokenRequest of another length or type', () => {
    const good = Buffer.concat([Buffer.of(0, 2), randomBytes(257)]);
    expect(parseTokenRequest(good)).toBeDefined();
    for (const length of [0, 1, 2, 3, 258]) expect(parseTokenRequest(good.subarray(0, length))).toBeUndefined();
    expect(parseTokenRequest(Buffer.concat([good, Buffer.of(0)]))).toBeUndefined();
    expect(parseTokenRequest(Buffer.concat([Buffer.of(0, 1), good.subarray(2)]))).toBeUndefined();
  });
});

describe('TokenChallenge', () => {
  const anyChallenge: fc.Arbitrary<TokenChallenge> = fc.record({
    issuerName: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }),
    redemptionContext: fc.oneof(bytes(0), bytes(32)),
    originInfo: fc.string({ unit: 'grapheme', maxLength: 80 }),
  });

  it('round-trips', () => {
    fc.assert(
      fc.property(anyChallenge, (challenge) => {
        expect(parseTokenChallenge(buildTokenChallenge(challenge))).toEqual(challenge);
      }),
    );
  });

  it('refuses every truncated and every extended encoding', () => {
    fc.assert(
      fc.property(anyChallenge, (challenge) => {
        const built = buildTokenChallenge(challenge);
        for (let length = 0; length < built.length; length += 1) {
          expect(parseTokenChallenge(built.subarray(0, length))).toBeUndefined();
        }
        expect(parseTokenChallenge(Buffer.concat([built, Buffer.of(0)]))).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });

  it('refuses another type, an empty issuer, an invalid context length and text that is not UTF-8', () => {
    expect(parseTokenChallenge(Buffer.from('0001000161000000', 'hex'))).toBeUndefined();
    expect(parseTokenChallenge(Buffer.from('00020000000000', 'hex'))).toBeUndefined();
    expect(parseTokenChallenge(Buffer.from('00020001610141'.concat('0000'), 'hex'))).toBeUndefined();
    expect(parseTokenChallenge(Buffer.from('00020001ff000000', 'hex'))).toBeUndefined();
    expect(parseTokenChallenge(Buffer.from('0002000161000000', 'hex'))).toBeDefined();
  });

  it('refuses to build from values that do not fit the length fields', () => {
    const fits = { issuerName: 'a', redemptionContext: Buffer.alloc(0), originInfo: '' };
    expect(() => buildTokenChallenge({ ...fits, issuerName: '' })).toThrow(RangeError);
    expect(() => buildTokenChallenge({ ...fits, issuerName: 'a'.repeat(65_536) })).toThrow(RangeError);
    expect(() => buildTokenChallenge({ ...fits, originInfo: 'a'.repeat(65_536) })).toThrow(RangeError);
    expect(() => buildTokenChallenge({ ...fits, redemptionContext: Buffer.alloc(31) })).toThrow(RangeError);
  });

  it('contains only the names of the service, without a redemption context', () => {
    const challenge = serviceChallenge({ issuerName: 'issuer.example', originInfo: 'vpn.example' });
    expect(challenge.toString('hex')).toBe(
      `0002000e${Buffer.from('issuer.example').toString('hex')}00000b${Buffer.from('vpn.example').toString('hex')}`,
    );
    expect(challengeDigest(challenge)).toEqual(createHash('sha256').update(challenge).digest());
  });
});
