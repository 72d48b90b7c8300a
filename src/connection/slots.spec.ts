import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomSlots } from './slots.js';

describe('randomSlots', () => {
  it('returns 32 different slots from 1 to the capacity, or all slots when there are fewer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60_000 }), (capacity) => {
        const slots = randomSlots(capacity);
        expect(slots).toHaveLength(Math.min(32, capacity));
        expect(new Set(slots).size).toBe(slots.length);
        for (const slot of slots) {
          expect(Number.isInteger(slot) && slot >= 1 && slot <= capacity).toBe(true);
        }
      }),
    );
  });

  it.each([2, 32, 33, 200])('returns each of %i slots equally often, both first and at all', (capacity) => {
    const rounds = 100 * capacity;
    const first = new Map<number, number>();
    for (let round = 0; round < rounds; round += 1) {
      const [slot = 0] = randomSlots(capacity);
      first.set(slot, (first.get(slot) ?? 0) + 1);
    }
    // Each slot comes first 100 times on average, with a standard deviation of 10. 7 deviations do not happen by chance.
    expect(first.size).toBe(capacity);
    for (const count of first.values()) expect(Math.abs(count - 100)).toBeLessThan(70);
  });
});
