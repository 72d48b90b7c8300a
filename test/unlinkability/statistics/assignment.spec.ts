import { describe, expect, it } from 'vitest';
import { assign } from './assignment.js';
import { FastRandom } from './fast-random.js';

/** The cost of the best assignment, by trying them all. */
function smallestCost(short: readonly number[], long: readonly number[]): number {
  const [first, ...rest] = short;
  if (first === undefined) return 0;
  return Math.min(...long.map((value, at) => Math.abs(first - value) + smallestCost(rest, long.toSpliced(at, 1))));
}

describe('assign', () => {
  it.each([
    [4, 6],
    [6, 4],
    [5, 5],
    [1, 6],
  ])('gives %i left values and %i right values the smallest sum of distances', (lefts, rights) => {
    const random = new FastRandom(`${lefts} ${rights}`);
    for (let round = 0; round < 20; round++) {
      const points = (count: number, name: string) =>
        new Map(Array.from({ length: count }, (_, index) => [`${name}${index}`, [random.integer(30)]]));
      const [left, right] = [points(lefts, 'left '), points(rights, 'right ')];
      const pairs = [...assign(left, right, random)].flatMap(([connection, users]) =>
        users.map((user) => [left.get(user)![0]!, right.get(connection)![0]!] as const),
      );
      expect(pairs).toHaveLength(Math.min(lefts, rights));
      const [short, long] = [[...left.values()].flat(), [...right.values()].flat()].sort((a, b) => a.length - b.length);
      expect(pairs.reduce((sum, [a, b]) => sum + Math.abs(a - b), 0)).toBe(smallestCost(short!, long!));
    }
  });

  it('assigns nothing to nothing', () => {
    expect(assign(new Map(), new Map([['right', [1]]]), new FastRandom('x')).size).toBe(0);
  });
});
