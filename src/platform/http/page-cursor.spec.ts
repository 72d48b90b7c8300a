import { describe, expect, it } from 'vitest';
import { pageOf, readCursor, writeCursor } from './page-cursor.js';

const position = { at: new Date('2030-01-01T12:00:00Z'), name: '5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a' };

describe('readCursor', () => {
  it('returns the position that writeCursor wrote', () => {
    expect(readCursor(writeCursor(position))).toEqual(position);
    expect(readCursor(undefined)).toBeUndefined();
  });

  it('reads cursors that clients already have', () => {
    const held = 'MTg5MzQ5OTIwMDAwMCA1YTVhNWE1YS01YTVhLTRhNWEtOGE1YS01YTVhNWE1YTVhNWE';
    expect(writeCursor(position)).toBe(held);
    expect(readCursor(held)).toEqual(position);
  });

  it.each(['', 'x', 'MTIz', Buffer.from('12 ').toString('base64url'), Buffer.from("1 ' OR 1=1").toString('base64url')])(
    'refuses %j',
    (cursor) => {
      expect(() => readCursor(cursor)).toThrow(/expected the `next`/);
    },
  );

  it('refuses the cursor of another list, whose rows have other names', () => {
    expect(() => readCursor(writeCursor(position), /^\d+$/)).toThrow(/expected the `next`/);
  });
});

describe('pageOf', () => {
  const rows = [3, 2, 1].map((hour) => ({ at: new Date(Date.UTC(2030, 0, 1, hour)), name: String(hour) }));

  it('returns the cursor of the next page when there is another row', () => {
    const { shown, next } = pageOf(rows, 2, (row) => row);
    expect(shown).toEqual(rows.slice(0, 2));
    expect(readCursor(next ?? '')).toEqual(rows[1]);
  });

  it('returns no cursor on the last page', () => {
    expect(pageOf(rows, 3, (row) => row)).toEqual({ shown: rows, next: null });
    expect(pageOf([], 3, (row) => row)).toEqual({ shown: [], next: null });
  });
});
