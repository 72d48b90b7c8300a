import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { challengeHeader, tokenOfAuthorization } from './private-token.js';

const bytes = Buffer.concat([Buffer.of(0, 2), randomBytes(352)]);
const text = bytes.toString('base64url');
const parts = { token: bytes.subarray(0, 98), signature: bytes.subarray(98) };

describe('tokenOfAuthorization', () => {
  it.each([
    ['quoted', `PrivateToken token="${text}"`],
    ['bare, as RFC 9577 §2.2 allows', `PrivateToken token=${text}`],
    ['in another case', `privatetoken TOKEN="${text}"`],
    ['after other parameters', `PrivateToken extension="1", token="${text}"`],
    ['before other parameters', `PrivateToken token="${text}", extension=1`],
    ['with space around it', `  PrivateToken   token = "${text}"  `],
  ])('parses a token that is %s', (_how, header) => {
    expect(tokenOfAuthorization(header)).toEqual(parts);
  });

  it.each([
    ['no header', undefined],
    ['an empty header', ''],
    ['another scheme', `Bearer ${text}`],
    ['a scheme that only starts with PrivateToken', `PrivateTokens token="${text}"`],
  ])('returns undefined for %s', (_what, header) => {
    expect(tokenOfAuthorization(header)).toBeUndefined();
  });

  it.each([
    ['no parameter', 'PrivateToken'],
    ['no token', 'PrivateToken extension="1"'],
    ['an empty token', 'PrivateToken token=""'],
    ['a parameter whose name only ends with token', `PrivateToken mytoken="${text}"`],
    ['one byte too few', `PrivateToken token="${bytes.subarray(0, 353).toString('base64url')}"`],
    ['one byte too many', `PrivateToken token="${Buffer.concat([bytes, Buffer.of(1)]).toString('base64url')}"`],
    [
      'standard base64',
      `PrivateToken token="${Buffer.concat([Buffer.of(0, 2), Buffer.alloc(352, 0xff)]).toString('base64')}"`,
    ],
    ['wrong padding', `PrivateToken token="${text}="`],
    ['another token type', `PrivateToken token="${Buffer.alloc(354, 1).toString('base64url')}"`],
    ['an opening quotation mark only', `PrivateToken token="${text}`],
    ['a closing quotation mark only', `PrivateToken token=${text}"`],
    ['two values', `PrivateToken token="${text}" "${text}"`],
  ])('returns "malformed" for %s', (_what, header) => {
    expect(tokenOfAuthorization(header)).toBe('malformed');
  });

  it('parses every token of type 0x0002, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const encoded = Buffer.concat([Buffer.of(0, 2), Buffer.alloc(352, seed)]);
        const read = tokenOfAuthorization(`PrivateToken token="${encoded.toString('base64url')}"`);
        return typeof read === 'object' && Buffer.concat([read.token, read.signature]).equals(encoded);
      }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (noise) => {
        tokenOfAuthorization(noise);
        return tokenOfAuthorization(`PrivateToken ${noise.replaceAll('=', '')}`) === 'malformed';
      }),
    );
  });
});

describe('challengeHeader', () => {
  it('contains the challenge and the key as padded base64url', () => {
    expect(challengeHeader(Buffer.of(0, 2, 0xff), Buffer.of(0xfb))).toBe(
      'PrivateToken challenge="AAL_", token-key="-w=="',
    );
  });

  it('omits token-key when there is no key', () => {
    expect(challengeHeader(Buffer.of(1), undefined)).toBe('PrivateToken challenge="AQ=="');
  });
});
