import { type Cohort } from './cohort.js';
import { type FastRandom } from './fast-random.js';
import { type Scorer } from './ordered-matchers.js';

/** Ranks and hits are whole numbers in one float, so that sums are exact in any order and one look-up gets both. */
export const rankUnit = 2 ** 16;
export const hitUnit = 2 ** 32;

/**
 * What one matcher found, before the truth is looked at: for each group of n users, an n × n matrix. Row i, column j is what user
 * i's connections would give if they were user j's: `hits * hitUnit + sum of normalised ranks * rankUnit`. So a permuted truth is
 * one look-up for each user, and all connections of one user stay together.
 */
export interface Linkage {
  readonly matrices: readonly Float64Array[];
  /** For each asked connection: 1 if the best guess is right. */
  readonly correct: Uint8Array;
}

/** Asks the scorer about each connection. Breaks ties by a uniform choice that knows nothing of the truth. */
export function linkageOf(cohort: Cohort, scorer: Scorer, random: FastRandom): Linkage {
  const { groups, groupOf, placeOf, answers, selves } = cohort;
  const matrices = groups.map(({ members }) => new Float64Array(members.length ** 2));
  const correct = new Uint8Array(answers.length);
  const scores = new Float64Array(cohort.candidates.length);
  const scratch = groups.map(({ members }) => new Float64Array(members.length));
  for (const [asked, answer] of answers.entries()) {
    scorer(asked, scores);
    const self = selves[asked]!;
    const group = groupOf[answer]!;
    const { members } = groups[group]!;
    const row = matrices[group]!.subarray(placeOf[answer]! * members.length);
    addRanks(row, members, scores, self, scratch[group]!);
    const guess = bestOf(scores, self, random);
    if (guess === answer) correct[asked] = 1;
    if (groupOf[guess] === group) row[placeOf[guess]!]! += hitUnit;
  }
  return { matrices, correct };
}

function bestOf(scores: Float64Array, self: number, random: FastRandom): number {
  let best = -Infinity;
  let first = -1;
  let count = 0;
  for (let candidate = 0; candidate < scores.length; candidate++) {
    const score = scores[candidate]!;
    if (score < best || candidate === self) continue;
    if (score > best || first === -1) {
      best = score;
      first = candidate;
      count = 0;
    }
    count++;
  }
  if (count < 2) return first;
  let others = random.integer(count);
  for (let candidate = first; candidate < scores.length; candidate++)
    if (scores[candidate] === best && candidate !== self && others-- === 0) return candidate;
  return first;
}

/**
 * Adds the rank of each member: 0 for the lowest score, 1 for the highest, the middle for equal ones. The connection itself, if
 * it is a member, gets the middle and does not move the others, so that it takes part in permuted truths without a bias.
 */
function addRanks(
  row: Float64Array,
  members: readonly number[],
  scores: Float64Array,
  self: number,
  sorted: Float64Array,
): void {
  const size = members.length;
  let rivals = 0;
  for (let place = 0; place < size; place++) if (members[place] !== self) sorted[rivals++] = scores[members[place]!]!;
  (rivals === size ? sorted : sorted.subarray(0, rivals)).sort();
  const unit = rankUnit / (2 * (rivals - 1));
  for (let place = 0; place < size; place++) {
    if (members[place] === self || rivals === 1) row[place]! += rankUnit / 2;
    else {
      const score = scores[members[place]!]!;
      const first = lowerBound(sorted, rivals, score);
      let last = first;
      while (last + 1 < rivals && sorted[last + 1] === score) last++;
      row[place]! += Math.round((first + last) * unit);
    }
  }
}

function lowerBound(sorted: Float64Array, length: number, value: number): number {
  let from = 0;
  let to = length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (sorted[middle]! < value) from = middle + 1;
    else to = middle;
  }
  return from;
}
