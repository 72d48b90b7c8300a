import { type Cohort, type Half } from './cohort.js';
import { hitUnit, type Linkage, rankUnit } from './linkage.js';

export interface Comparison {
  readonly hits: number;
  /** The mean of `hits` over all permuted truths. */
  readonly chance: number;
  /** The sum of the normalised ranks of the right answers. */
  readonly ranks: number;
  /** How far the truth is above the permuted ones, in standard deviations: the larger of both statistics. */
  readonly z: number;
}

/**
 * Compares the truth with the permuted truths, over the users of one half or of both, and raises `maxima`, which holds the largest
 * z of each permuted truth over all tests.
 */
export function compare(cohort: Cohort, { matrices }: Linkage, half: Half | 'both', maxima: Float64Array): Comparison {
  const sums = new Float64Array(maxima.length);
  const [hitMoments, rankMoments]: [Moments[], Moments[]] = [[], []];
  let observed = 0;
  for (const [index, { members, permutations, ...group }] of cohort.groups.entries()) {
    if (half !== 'both' && group.half !== half) continue;
    const matrix = matrices[index]!;
    const size = members.length;
    hitMoments.push(momentsOf(matrix, size, hitsIn));
    rankMoments.push(momentsOf(matrix, size, ranksIn));
    addRows(sums, matrix, permutations);
    for (let member = 0; member < size; member++) observed += matrix[member * size + member]!;
  }

  const ofHits = sumOf(hitMoments);
  const zOfHits = hitScale(ofHits, cohort.asked.length);
  const zOfRanks = rankScale(sumOf(rankMoments), connectionsOfSeveral(cohort, half));
  const z = (sum: number) => Math.max(zOfHits[hitsIn(sum)]!, zOfRanks(ranksIn(sum)));
  for (let round = 0; round < maxima.length; round++) {
    const permuted = z(sums[round]!);
    if (permuted > maxima[round]!) maxima[round] = permuted;
  }
  return { hits: hitsIn(observed), chance: ofHits.mean, ranks: ranksIn(observed) / rankUnit, z: z(observed) };
}

/** The number of asked connections whose users can change places. */
function connectionsOfSeveral({ answers, groups, groupOf }: Cohort, half: Half | 'both'): number {
  return answers.reduce((count, answer) => {
    const group = groups[groupOf[answer]!]!;
    return count + (group.members.length > 1 && (half === 'both' || group.half === half) ? 1 : 0);
  }, 0);
}

const hitsIn = (sum: number) => Math.floor(sum / hitUnit);
const ranksIn = (sum: number) => sum - hitsIn(sum) * hitUnit;

/** Four rows at a time, in half the time of one by one: most of the run is spent here. */
function addRows(sums: Float64Array, matrix: Float64Array, permutations: readonly Uint16Array[]): void {
  const size = permutations.length;
  const rounds = sums.length;
  let row = 0;
  for (; row + 4 <= size; row += 4) {
    const [a, b, c, d] = [permutations[row]!, permutations[row + 1]!, permutations[row + 2]!, permutations[row + 3]!];
    const at = row * size;
    for (let round = 0; round < rounds; round++)
      sums[round]! +=
        matrix[at + a[round]!]! +
        matrix[at + size + b[round]!]! +
        matrix[at + 2 * size + c[round]!]! +
        matrix[at + 3 * size + d[round]!]!;
  }
  for (; row < size; row++)
    for (let round = 0; round < rounds; round++) sums[round]! += matrix[row * size + permutations[row]![round]!]!;
}

interface Moments {
  readonly mean: number;
  readonly variance: number;
}

/**
 * The exact mean and variance, over all permutations, of the sum of one entry of each row, each of another column (Hoeffding 1951).
 * Unlike those of a sample they are the same for the truth and for each permuted truth, so that the test stays exact.
 */
function momentsOf(matrix: Float64Array, size: number, read: (cell: number) => number): Moments {
  const rows = new Float64Array(size);
  const columns = new Float64Array(size);
  let total = 0;
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++) {
      const value = read(matrix[row * size + column]!);
      rows[row]! += value / size;
      columns[column]! += value / size;
      total += value;
    }
  const mean = total / size;
  if (total === 0 || size < 2) return { mean, variance: 0 };
  let squares = 0;
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++)
      squares += (read(matrix[row * size + column]!) - rows[row]! - columns[column]! + mean / size) ** 2;
  return { mean, variance: squares / (size - 1) };
}

function sumOf(moments: readonly Moments[]): Moments {
  return moments.reduce((sum, { mean, variance }) => ({ mean: sum.mean + mean, variance: sum.variance + variance }), {
    mean: 0,
    variance: 0,
  });
}

/**
 * The z of each number of hits. Hits are rare events: three by chance where 0.1 were expected are nine standard deviations, and a
 * few hundred tests would see that so often that no link short of it could be significant. So z is the signed root of the deviance
 * of a Poisson distribution, which has tails like a normal one, with the variance of the permutations where that is larger (one
 * user's connections hit or miss together).
 */
function hitScale({ mean, variance }: Moments, largest: number): Float64Array {
  const spread = Math.max(1, variance / mean);
  return Float64Array.from({ length: largest + 1 }, (_, hits) => {
    if (mean === 0) return 0;
    const deviance = 2 * ((hits === 0 ? 0 : hits * Math.log(hits / mean)) - (hits - mean));
    return Math.sign(hits - mean) * Math.sqrt(Math.max(0, deviance) / spread);
  });
}

/**
 * The z of a sum of ranks. Its standard deviation counts as at least half of what unrelated ranks would have: where nearly all
 * scores are equal, it is so small that a single lucky pair would be many standard deviations. Hits show such pairs.
 */
function rankScale({ mean, variance }: Moments, asked: number): (sum: number) => number {
  const unrelated = (asked * rankUnit ** 2) / 12;
  const deviation = Math.sqrt(Math.max(variance, unrelated / 4));
  return deviation === 0 ? () => 0 : (sum) => (sum - mean) / deviation;
}
