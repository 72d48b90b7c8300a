import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { periodEnd, recurrence, type Recurrence } from './periods.js';
import { creditUnused, type Debit, share } from './prorations.js';

const amount = fc.integer({ min: 0, max: 1_000_000 });
const time = fc.integer({ min: 0, max: 100_000 });

const debit = fc.tuple(amount, time, fc.integer({ min: 1, max: 50_000 })).map(([billed, start, length]): Debit => ({
  amount: billed,
  start,
  end: start + length,
  price: 'price_1',
  line: 'il_1',
  invoice: 'in_1',
}));
const total = (amounts: readonly { amount: number }[]) => amounts.reduce((sum, one) => sum + one.amount, 0);

describe('creditUnused', () => {
  it('splits the billed amount exactly into the credit and the amount that stays billed', () => {
    fc.assert(
      fc.property(fc.array(debit, { maxLength: 5 }), time, (debits, at) => {
        const { credits, kept } = creditUnused(debits, at);
        expect(total(kept)).toBe(total(debits) + total(credits));
        for (const credit of credits) expect(credit.amount).toBeLessThanOrEqual(0);
        for (const one of kept) expect(one.end).toBeLessThanOrEqual(Math.max(at, one.start));
      }),
    );
  });

  it('never credits the same time twice, for any number and order of calls', () => {
    fc.assert(
      fc.property(
        fc.array(debit, { minLength: 1, maxLength: 3 }),
        fc.array(time, { minLength: 1 }),
        (debits, times) => {
          let left: readonly Debit[] = debits;
          let credited = 0;
          for (const at of times) {
            const { credits, kept } = creditUnused(left, at);
            credited -= total(credits);
            left = kept;
          }
          expect(credited).toBeLessThanOrEqual(total(debits));
          expect(credited + total(left)).toBe(total(debits));
          expect(total(creditUnused(left, Math.min(...times)).credits)).toBe(0);
        },
      ),
    );
  });

  it('credits everything at the start, and nothing at the end', () => {
    fc.assert(
      fc.property(debit, (one) => {
        expect(total(creditUnused([one], one.start).credits)).toBe(one.amount === 0 ? 0 : -one.amount);
        expect(creditUnused([one], one.end)).toEqual({ credits: [], kept: [one] });
      }),
    );
  });
});

describe('share', () => {
  it('is within half a cent of the exact share, and symmetric for negative amounts', () => {
    fc.assert(
      fc.property(amount, fc.nat(50_000), fc.integer({ min: 1, max: 50_000 }), (whole, remaining, length) => {
        const rounded = share(whole, Math.min(remaining, length), length);
        expect(Math.abs(rounded - (whole * Math.min(remaining, length)) / length)).toBeLessThanOrEqual(0.5);
        expect(Math.abs(share(-whole, Math.min(remaining, length), length))).toBe(rounded);
      }),
    );
  });
});

describe('recurrence', () => {
  const every = fc.record<Recurrence>({
    interval: fc.constantFrom('day', 'week', 'month', 'year'),
    count: fc.integer({ min: 1, max: 12 }),
  });
  const anchor = fc.integer({ min: 0, max: 4_000_000_000 });

  it('gives periods without gap or overlap, on the anchor’s day or the last day of the month', () => {
    fc.assert(
      fc.property(anchor, every, fc.nat(60), (start, recurs, n) => {
        const [from, to] = [recurrence(start, recurs, n), recurrence(start, recurs, n + 1)];
        expect(to).toBeGreaterThan(from);
        expect(periodEnd(start, recurs, from)).toBe(to);
        expect(periodEnd(start, recurs, to - 1)).toBe(to);
        if (recurs.interval !== 'month' && recurs.interval !== 'year') return;
        const [day, anchorDay] = [new Date(to * 1000).getUTCDate(), new Date(start * 1000).getUTCDate()];
        const isLast = new Date((to + 86_400) * 1000).getUTCDate() === 1;
        expect(day === anchorDay || (isLast && day < anchorDay)).toBe(true);
        expect(to % 86_400).toBe(start % 86_400);
      }),
    );
  });
});
