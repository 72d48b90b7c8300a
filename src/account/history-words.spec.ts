import { describe, expect, it } from 'vitest';
import { PaymentKind, SubscriptionEventKind } from '../prisma/identity/index.js';
import { happenedInWords } from './history-words.js';
import { readCursor, writeCursor } from './page-cursor.js';

it('everything that happens is a sentence of its own', () => {
  const kinds = [...Object.values(PaymentKind), ...Object.values(SubscriptionEventKind)];
  const until = new Date('2030-03-01T12:00:00Z');
  const texts = kinds.map((kind) =>
    happenedInWords({ kind, provider: 'apple', amount: 499, currency: 'eur', plan: 'Standard', until }),
  );
  expect(new Set(texts).size).toBe(kinds.length);
  for (const text of texts) expect(text).toMatch(/^[A-Z].*\.$/);
  for (const text of texts.slice(0, 4)) expect(text).toMatch(/€4\.99.*the App Store/);
  for (const text of texts.slice(4)) expect(text).toContain('Standard');
});

describe('a cursor', () => {
  it('comes back as it went', () => {
    const position = { at: new Date('2030-01-01T12:00:00Z'), name: '5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a' };
    expect(readCursor(writeCursor(position))).toEqual(position);
    expect(readCursor(undefined)).toBeUndefined();
  });

  it.each(['', 'x', 'MTIz', Buffer.from('12 ').toString('base64url'), Buffer.from("1 ' OR 1=1").toString('base64url')])(
    'is refused as %j',
    (cursor) => {
      expect(() => readCursor(cursor)).toThrow(/expected `next`/);
    },
  );
});
