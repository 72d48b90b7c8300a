import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayOf, nextPrefetch, planAfter, planPrefetch } from './prefetch-plan.js';

const hour = 3_600_000;
const day = 24 * hour;
const monday = 20_000;
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('nextPrefetch and planPrefetch', () => {
  it('plan a random time within the day, away from midnight', () => {
    fc.assert(
      fc.property(chance, (random) => {
        const { at } = planPrefetch(monday, random);
        expect(dayOf(at)).toBe(monday);
        expect(at - monday * day).toBeGreaterThanOrEqual(0.5 * hour);
        expect(at - monday * day).toBeLessThanOrEqual(23.75 * hour);
      }),
    );
    expect(planPrefetch(monday, 0.9).at).toBeGreaterThan(planPrefetch(monday, 0.1).at + 12 * hour);
  });

  it('make the first prefetch of a new wallet due at once, and the second on the next day', () => {
    const now = monday * day + 9 * hour;
    const { due, plan } = nextPrefetch(undefined, now, 0.5);
    expect([due, plan.day, planAfter(plan, 0.5).day]).toEqual([true, monday, monday + 1]);
  });

  it('make a prefetch due at its planned time and from then on', () => {
    const plan = planPrefetch(monday, 0.5);
    expect(nextPrefetch(plan, plan.at - 1, 0.1)).toEqual({ due: false, plan });
    expect(nextPrefetch(plan, plan.at, 0.9)).toEqual({ due: true, plan });
    expect(nextPrefetch(plan, plan.at + hour, 0.9).due).toBe(true);
  });

  it('postpone a missed prefetch once, by at most two hours', () => {
    fc.assert(
      fc.property(chance, fc.integer({ min: 0, max: 4 * day }), (random, since) => {
        const missed = planPrefetch(monday, 0);
        const now = missed.at + 1.5 * hour + since;
        const { due, plan } = nextPrefetch(missed, now, random);
        expect([due, plan.late, plan.day]).toEqual([false, true, dayOf(now)]);
        expect(plan.at).toBeGreaterThanOrEqual(now);
        expect(plan.at).toBeLessThanOrEqual(now + 2 * hour);
        expect(dayOf(plan.at)).toBe(dayOf(now));
        expect(nextPrefetch(plan, plan.at + 3 * day, random)).toMatchObject({
          due: true,
          plan: { day: dayOf(plan.at) + 3 },
        });
      }),
    );
  });

  it('plan again when the clock was ahead', () => {
    const now = monday * day + hour;
    const { due, plan } = nextPrefetch(planPrefetch(monday + 40, 0.5), now, 0.5);
    expect([due, plan.day]).toEqual([false, monday]);
    expect(plan.at).toBeGreaterThan(now);
  });
});
