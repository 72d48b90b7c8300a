import { randomInt } from 'node:crypto';

/** How many places are tried in one statement. With a node nine tenths full, one of them is free in 97 cases of 100. */
const draws = 32;

/**
 * Random different slots of 1…capacity: all of them, shuffled, when there are no more than 32. Random, so that a tunnel
 * address says nothing of when it was taken, and so that those who choose at once rarely choose alike.
 */
export function drawSlots(capacity: number): number[] {
  if (capacity <= draws) return shuffle(Array.from({ length: capacity }, (_, index) => index + 1));
  const drawn = new Set<number>();
  while (drawn.size < draws) drawn.add(randomInt(1, capacity + 1));
  return [...drawn];
}

function shuffle(slots: number[]): number[] {
  for (let last = slots.length - 1; last > 0; last -= 1) {
    const other = randomInt(0, last + 1);
    [slots[last], slots[other]] = [slots[other] ?? 0, slots[last] ?? 0];
  }
  return slots;
}
