import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64url, fromBigInt, toBase64url, toBigInt } from './bytes.js';

describe('base64url', () => {
  it('encodes and decodes like Node, with and without padding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const text = toBase64url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64url'));
        expect(fromBase64url(text)).toEqual(Uint8Array.from(bytes));
        expect(fromBase64url(text.padEnd(Math.ceil(text.length / 4) * 4, '='))).toEqual(Uint8Array.from(bytes));
      }),
    );
  });

  it.each(['A', 'AB', 'AAB', 'AA=', 'AAA==', 'AAAA=', 'AA AA', 'AA+A', 'AA/A', '====', 'AA==AA'])(
    'refuses the invalid text %s',
    (text) => {
      expect(fromBase64url(text)).toBeUndefined();
    },
  );

  it('refuses a text of another length than expected', () => {
    expect(fromBase64url('AAAA', 3)).toHaveLength(3);
    expect(fromBase64url('AAAA', 2)).toBeUndefined();
  });
});

describe('big-endian numbers', () => {
  it('survive a conversion to bytes and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 70 }), (bytes) => {
        expect(fromBigInt(toBigInt(bytes), bytes.length)).toEqual(Uint8Array.from(bytes));
      }),
    );
    expect(() => fromBigInt(256n, 1)).toThrow(RangeError);
  });
});
