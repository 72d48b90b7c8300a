import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base64urlBytes, decodeBase64url, encodeBase64url, encodePaddedBase64url } from './base64url.js';

describe('base64url', () => {
  it('round-trips any bytes, padded or not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(decodeBase64url(encodeBase64url(bytes), bytes.length)).toEqual(Buffer.from(bytes));
        expect(decodeBase64url(encodePaddedBase64url(bytes), bytes.length)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('accepts only texts that encode back to themselves', () => {
    const character = fc.constantFrom(...'ABYZabyz0189-_=+/ \n.%é');
    fc.assert(
      fc.property(fc.array(character, { maxLength: 12 }), (characters) => {
        const text = characters.join('');
        const decoded = decodeBase64url(text);
        if (decoded === undefined) return;
        expect([encodeBase64url(decoded), encodePaddedBase64url(decoded)]).toContain(text);
      }),
    );
  });

  it.each([
    ['standard base64', '+/+/'],
    ['white space', 'AA AA'],
    ['a line break at the end', 'AAAA\n'],
    ['a character that Node skips', 'AA.AA'],
    ['unused bits that are not zero', 'AB'],
    ['a lone character', 'A'],
    ['too much padding', 'AA==='],
    ['too little padding', 'AA='],
    ['unnecessary padding', 'AAAA===='],
    ['padding in the middle', 'AA==AAAA'],
    ['padding alone', '='],
  ])('refuses %s', (_what, text) => {
    expect(decodeBase64url(text)).toBeUndefined();
  });

  it('refuses another length than required', () => {
    for (const length of [255, 257])
      expect(decodeBase64url(encodeBase64url(Buffer.alloc(length)), 256)).toBeUndefined();
  });

  it('explains in a validation error what was expected', () => {
    const field = base64urlBytes(98);
    expect(field.parse(encodeBase64url(Buffer.alloc(98, 7)))).toEqual(Buffer.alloc(98, 7));
    for (const bad of ['', 'x'.repeat(131), 'x'.repeat(100_000), 'é'.repeat(131), 7, null, ['AA']]) {
      const result = field.safeParse(bad);
      expect(result.success).toBe(false);
      if (typeof bad === 'string') {
        expect(result.error?.issues[0]?.message).toBe('expected 98 bytes as base64url (131 characters)');
      }
    }
  });
});
