import { type Cohort, type Half } from './cohort.js';
import { closestGap, closestGaps, type Column } from './column.js';
import { type Scorer } from './ordered-matchers.js';

/** Two bins for each power of two up to 2^43 (milliseconds of our time have 41 bits), on both sides of zero. */
const side = 87;
const bins = 2 * side + 1;
/** So many imagined pairs, spread as all pairs are, join the true ones: a bin that few true pairs hit says little. */
const prior = 2;
const minimumLearnt = 5;
/** As many connections, against all candidates, tell how common each gap is. More would hardly change the histogram. */
const sampledConnections = 20;

interface Model {
  /** Gaps count from here: the usual delay, or zero. */
  readonly centre: number;
  readonly scores: Float64Array;
  /** How much better than chance the pairs that it learnt from score. */
  readonly gain: number;
}

/**
 * Learns how long a connection's value usually comes after its user's. The score is the logarithm of how much more often a gap
 * occurs between true pairs than between all pairs. Bins grow with the distance from the centre, which is zero or the median gap
 * of the true pairs: a fixed delay of a day shows to the millisecond.
 *
 * It learns on the true pairs of one half of the users, and scores the connections of the other half.
 */
export function gapLikelihood(left: Column, right: Column, cohort: Cohort): Scorer {
  const models = ([0, 1] as const).map((half) => learn(left, right, cohort, half));
  return (asked, scores) => {
    const model = models[1 - cohort.halves[asked]!];
    if (right.offsets[asked] === right.offsets[asked + 1] || model === undefined) return void scores.fill(0);
    closestGaps(left, right, asked, model.centre, scores);
    for (let candidate = 0; candidate < scores.length; candidate++) {
      const gap = scores[candidate]!;
      scores[candidate] = Number.isNaN(gap) ? -Infinity : model.scores[binOf(gap)]!;
    }
  };
}

/** Undefined when there are too few true pairs to learn from. */
function learn(left: Column, right: Column, cohort: Cohort, half: Half): Model | undefined {
  const training = [...cohort.halves.keys()].filter((asked) => cohort.halves[asked] === half);
  const truths = trueGaps(left, right, cohort, training, 0).sort((a, b) => a - b);
  if (truths.length < minimumLearnt) return undefined;
  const models = [0, truths[truths.length >> 1]!].map((centre) => {
    const all = histogramOfAll(left, right, cohort, training, centre);
    return modelOf(trueGaps(left, right, cohort, training, centre), all, centre);
  });
  return models.reduce((best, model) => (model.gain > best.gain ? model : best));
}

function trueGaps(
  left: Column,
  right: Column,
  cohort: Cohort,
  connections: readonly number[],
  centre: number,
): number[] {
  return connections
    .map((asked) => closestGap(left, right, asked, centre, cohort.answers[asked]!))
    .filter((gap) => !Number.isNaN(gap));
}

/** How often each gap occurs between all candidates and some of the connections, evenly chosen. */
function histogramOfAll(
  left: Column,
  right: Column,
  cohort: Cohort,
  connections: readonly number[],
  centre: number,
): Float64Array {
  const all = new Float64Array(bins);
  const gaps = new Float64Array(cohort.candidates.length);
  const step = Math.max(1, Math.floor(connections.length / sampledConnections));
  for (let index = 0; index < connections.length; index += step) {
    closestGaps(left, right, connections[index]!, centre, gaps);
    for (const gap of gaps) if (!Number.isNaN(gap)) all[binOf(gap)]! += 1;
  }
  return all;
}

function modelOf(gaps: readonly number[], all: Float64Array, centre: number): Model {
  const counts = new Float64Array(bins);
  for (const gap of gaps) counts[binOf(gap)]! += 1;
  const [smooth, common] = [blurred(counts), blurred(all)];
  const total = common.reduce((sum, count) => sum + count, bins * 0.1);
  const scores = smooth.map((count, bin) => {
    const share = (common[bin]! + 0.1) / total;
    return Math.log((count + prior * share) / ((gaps.length + prior) * share));
  });
  return { centre, scores, gain: gaps.reduce((sum, gap) => sum + scores[binOf(gap)]!, 0) };
}

/** Neighbouring bins share, so that a gap just over the edge of a bin does not count as unseen. */
function blurred(counts: Float64Array): Float64Array {
  return counts.map((count, bin) => 0.5 * count + 0.25 * ((counts[bin - 1] ?? 0) + (counts[bin + 1] ?? 0)));
}

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);

/** Reads exponent and first digit of the binary number, since a logarithm for each pair would take most of the run. */
function binOf(gap: number): number {
  const size = Math.abs(gap);
  if (size < 1) return side;
  float[0] = size;
  const steps = Math.min((words[1]! >>> 19) - 2 * 1023 + 1, side);
  return gap < 0 ? side - steps : side + steps;
}
