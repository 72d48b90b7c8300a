import { type FastRandom } from './fast-random.js';

type Numbers = ReadonlyMap<string, readonly number[]>;

interface Point {
  readonly owner: string;
  readonly value: number;
}

/**
 * Ties each value of the shorter side to one value of the longer side, so that the sum of the distances is as small as possible.
 * Returns the left entities that each right entity got.
 *
 * On a line, some best assignment keeps the order (an exchange argument: to uncross two pairs never costs more). So with both
 * sides sorted, `best[i][j]`, the cost of the first i short values among the first j long ones, is the smaller of `best[i][j-1]`
 * (leave j out) and `best[i-1][j-1] + |short i - long j|`. Takes the product of both lengths in the worst case.
 */
export function assign(left: Numbers, right: Numbers, random: FastRandom): Map<string, string[]> {
  const [lefts, rights] = [sorted(left, random), sorted(right, random)];
  const swapped = lefts.length > rights.length;
  const [short, long] = swapped ? [rights, lefts] : [lefts, rights];
  const partners = new Map<string, string[]>();
  for (const [index, other] of shortestPairs(short, long).entries()) {
    const pair = [short[index]!.owner, long[other]!.owner] as const;
    const [owner, connection] = swapped ? [pair[1], pair[0]] : pair;
    partners.set(connection, [...(partners.get(connection) ?? []), owner]);
  }
  return partners;
}

/** Equal values come in random order: the order of the map may be the order in which the test made users and connections. */
function sorted(numbers: Numbers, random: FastRandom): Point[] {
  const points = [...numbers].flatMap(([owner, values]) => values.map((value) => ({ owner, value })));
  return random.shuffle(points).sort((a, b) => a.value - b.value);
}

/** For each short point, its partner's position in `long`. Short point i can have partners i to i + slack only. */
function shortestPairs(short: readonly Point[], long: readonly Point[]): Int32Array {
  const slack = long.length - short.length;
  const taken = new Uint8Array(short.length * (slack + 1));
  const cost = new Float64Array(slack + 1);
  for (const [row, { value }] of short.entries()) {
    let skipped = Infinity;
    for (let shift = 0; shift <= slack; shift++) {
      const take = cost[shift]! + Math.abs(value - long[row + shift]!.value);
      if (take <= skipped) taken[row * (slack + 1) + shift] = 1;
      skipped = Math.min(take, skipped);
      cost[shift] = skipped;
    }
  }
  const pairs = new Int32Array(short.length);
  let shift = slack;
  for (let row = short.length - 1; row >= 0; row--) {
    while (taken[row * (slack + 1) + shift] === 0) shift--;
    pairs[row] = row + shift;
  }
  return pairs;
}
