import { type Cohort, type Half } from './cohort.js';
import { holdersOf, type Values } from './equal-value.js';
import { type Scorer } from './ordered-matchers.js';

/**
 * The values of a trace, numbered from 0. An entity without a value has a value of its own here, "absent", because the absence
 * can tell as much.
 */
export interface Codes {
  readonly byEntity: readonly (readonly number[])[];
  readonly count: number;
  /** False if no two entities share a value: then one half teaches nothing about the other. */
  readonly repeats: boolean;
}

const absent = '(absent)';

export function codesOf(values: Values): Codes {
  const complete = values.map((own) => (own.length > 0 ? own : [absent]));
  const holders = holdersOf(complete);
  const numbers = new Map([...holders.keys()].map((value, number) => [value, number]));
  return {
    byEntity: complete.map((own) => own.map((value) => numbers.get(value)!)),
    count: numbers.size,
    repeats: [...holders.values()].some(({ length }) => length > 1),
  };
}

/** The score of a candidate's value with a connection's value, learnt on one half: `scores[leftCode * width + rightCode]`. */
interface Table {
  readonly width: number;
  readonly scores: Float64Array;
  /** True if the pairs that it learnt from depend on each other more than chance explains. */
  readonly standsOut: boolean;
}

/** Two traces of categories, and what each half of the users teaches about them. */
export interface Contingency {
  readonly left: Codes;
  readonly right: Codes;
  readonly tables: readonly [Table, Table];
}

/** One more true pair than were seen and than chance expects: a rare cell says little. */
const prior = 1;

/** Learns which value of a user goes with which value of a connection. The score of a cell is log((seen + 1) / (expected + 1)). */
export function contingencyOf(left: Codes, right: Codes, cohort: Cohort): Contingency {
  return { left, right, tables: [learn(left, right, cohort, 0), learn(left, right, cohort, 1)] };
}

function learn(left: Codes, right: Codes, cohort: Cohort, half: Half): Table {
  const own = [...cohort.halves.keys()].filter((asked) => cohort.halves[asked] === half);
  const seen = new Float64Array(left.count * right.count);
  for (const asked of own) {
    const [lefts, rights] = [left.byEntity[cohort.answers[asked]!]!, right.byEntity[asked]!];
    const weight = 1 / (lefts.length * rights.length);
    for (const a of lefts) for (const b of rights) seen[a * right.count + b]! += weight;
  }
  const leftShares = sharesOf(left, [...left.byEntity.keys()]);
  const rightShares = sharesOf(right, own);
  let chiSquared = 0;
  const scores = seen.map((count, cell) => {
    const expected = own.length * leftShares[Math.floor(cell / right.count)]! * rightShares[cell % right.count]!;
    if (expected > 0) chiSquared += (count - expected) ** 2 / expected;
    return Math.log((count + prior) / (expected + prior));
  });
  // Pearson's statistic has this mean, and twice this variance, when the columns are independent.
  const freedom = Math.max(1, (numberOfUsed(leftShares) - 1) * (numberOfUsed(rightShares) - 1));
  return { width: right.count, scores, standsOut: chiSquared > freedom + 2 * Math.sqrt(2 * freedom) };
}

/** How often each value occurs. */
function sharesOf(codes: Codes, entities: readonly number[]): Float64Array {
  const shares = new Float64Array(codes.count);
  for (const entity of entities) {
    const own = codes.byEntity[entity]!;
    for (const code of own) shares[code]! += 1 / (own.length * entities.length);
  }
  return shares;
}

const numberOfUsed = (shares: Float64Array) => shares.reduce((count, share) => count + (share > 0 ? 1 : 0), 0);

/**
 * The sum of the scores of all contingencies; of several values of an entity, their mean. Where some contingencies stand out in
 * the half that taught, the others are left out: their noise would cover what the few know.
 */
export function categoricalLikelihood(contingencies: readonly Contingency[], cohort: Cohort): Scorer {
  const chosen = ([0, 1] as const).map((half) => {
    const outstanding = contingencies.filter(({ tables }) => tables[half].standsOut);
    return outstanding.length > 0 ? outstanding : contingencies;
  });
  return (asked, scores) => {
    const trainedHalf: Half = cohort.halves[asked] === 0 ? 1 : 0;
    scores.fill(0);
    for (const { left, right, tables } of chosen[trainedHalf]!) {
      const rights = right.byEntity[asked]!;
      for (let candidate = 0; candidate < scores.length; candidate++)
        scores[candidate]! += mean(tables[trainedHalf], left.byEntity[candidate]!, rights);
    }
  };
}

function mean({ width, scores }: Table, lefts: readonly number[], rights: readonly number[]): number {
  if (lefts.length === 1 && rights.length === 1) return scores[lefts[0]! * width + rights[0]!]!;
  let sum = 0;
  for (const a of lefts) for (const b of rights) sum += scores[a * width + b]!;
  return sum / (lefts.length * rights.length);
}
