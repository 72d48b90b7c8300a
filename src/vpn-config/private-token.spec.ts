import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { challengeHeader, tokenOfAuthorization } from './private-token.js';

const bytes = Buffer.concat([Buffer.of(0, 2), randomBytes(352)]);
const text = bytes.toString('base64url');
const parts = { token: bytes.subarray(0, 98), signature: bytes.subarray(98) };

describe('Authorization: PrivateToken', () => {
  it.each([
    ['quoted', `PrivateToken token="${text}"`],
    ['bare, as RFC 9577 §2.2 allows', `PrivateToken token=${text}`],
    ['in another case', `privatetoken TOKEN="${text}"`],
    ['after other parameters', `PrivateToken extension="1", token="${text}"`],
    ['before other parameters', `PrivateToken token="${text}", extension=1`],
    ['with space around it', `  PrivateToken   token = "${text}"  `],
  ])('takes the token apart: %s', (_how, header) => {
    expect(tokenOfAuthorization(header)).toEqual(parts);
  });

  it.each([
    ['nothing', undefined],
    ['an empty header', ''],
    ['another scheme', `Bearer ${text}`],
    ['a scheme that only begins alike', `PrivateTokens token="${text}"`],
  ])('is not there: %s', (_what, header) => {
    expect(tokenOfAuthorization(header)).toBeUndefined();
  });

  it.each([
    ['no parameter', 'PrivateToken'],
    ['no token', 'PrivateToken extension="1"'],
    ['an empty token', 'PrivateToken token=""'],
    ['a parameter whose name ends alike', `PrivateToken mytoken="${text}"`],
    ['a byte too few', `PrivateToken token="${bytes.subarray(0, 353).toString('base64url')}"`],
    ['a byte too many', `PrivateToken token="${Buffer.concat([bytes, Buffer.of(1)]).toString('base64url')}"`],
    [
      'standard base64',
      `PrivateToken token="${Buffer.concat([Buffer.of(0, 2), Buffer.alloc(352, 0xff)]).toString('base64')}"`,
    ],
    ['padding that does not belong', `PrivateToken token="${text}="`],
    ['another token type', `PrivateToken token="${Buffer.alloc(354, 1).toString('base64url')}"`],
    ['a quotation mark before it alone', `PrivateToken token="${text}`],
    ['a quotation mark after it alone', `PrivateToken token=${text}"`],
    ['two texts', `PrivateToken token="${text}" "${text}"`],
  ])('is malformed: %s', (_what, header) => {
    expect(tokenOfAuthorization(header)).toBe('malformed');
  });

  it('reads back every token of type 0x0002, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const whole = Buffer.concat([Buffer.of(0, 2), Buffer.alloc(352, seed)]);
        const read = tokenOfAuthorization(`PrivateToken token="${whole.toString('base64url')}"`);
        return typeof read === 'object' && Buffer.concat([read.token, read.signature]).equals(whole);
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

describe('WWW-Authenticate: PrivateToken', () => {
  it('holds challenge and key as padded base64url', () => {
    expect(challengeHeader(Buffer.of(0, 2, 0xff), Buffer.of(0xfb))).toBe(
      'PrivateToken challenge="AAL_", token-key="-w=="',
    );
  });

  it('leaves the key out while there is none', () => {
    expect(challengeHeader(Buffer.of(1), undefined)).toBe('PrivateToken challenge="AQ=="');
  });
});
