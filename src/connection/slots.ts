import { randomInt } from 'node:crypto';

/** How many slots one statement tries. On a node that is 90 % full, at least one of them is free in 97 % of cases. */
const slotAttempts = 32;

/**
 * Distinct random slots of 1…capacity: all of them, shuffled, when there are no more than 32. Random, so that a tunnel
 * address does not reveal when the connection began, and so that concurrent requests rarely try the same slots.
 */
export function randomSlots(capacity: number): number[] {
  if (capacity <= slotAttempts) return shuffle(Array.from({ length: capacity }, (_, index) => index + 1));
  const slots = new Set<number>();
  while (slots.size < slotAttempts) slots.add(randomInt(1, capacity + 1));
  return [...slots];
}

function shuffle(slots: number[]): number[] {
  for (let last = slots.length - 1; last > 0; last -= 1) {
    const other = randomInt(0, last + 1);
    [slots[last], slots[other]] = [slots[other] ?? 0, slots[last] ?? 0];
  }
  return slots;
}
