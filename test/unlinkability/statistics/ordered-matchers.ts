import { closestGaps, type Column, upperBound } from './column.js';

/**
 * Fills `scores` with a number for each candidate: the higher, the better it fits the asked connection. Equal numbers mean that
 * the matcher cannot tell. A candidate without a value gets −Infinity; a connection without a value scores all candidates equal.
 */
export type Scorer = (asked: number, scores: Float64Array) => void;

/** The smaller the distance between the nearest two values, the better. */
export function nearest(left: Column, right: Column): Scorer {
  return (asked, scores) => {
    if (right.offsets[asked] === right.offsets[asked + 1]) return void scores.fill(0);
    closestGaps(left, right, asked, 0, scores);
    for (let candidate = 0; candidate < scores.length; candidate++) {
      const distance = Math.abs(scores[candidate]!);
      scores[candidate] = distance >= 0 ? -distance : -Infinity;
    }
  };
}

/** The candidate whose value is the last one before (or at) the connection's value is the best. */
export function lastBefore(left: Column, right: Column): Scorer {
  return (asked, scores) => {
    const [begin, end] = [right.offsets[asked]!, right.offsets[asked + 1]!];
    if (begin === end) return void scores.fill(0);
    scores.fill(-Infinity);
    const { offsets, values } = left;
    for (let at = begin; at < end; at++) {
      const target = right.values[at]!;
      for (let candidate = 0; candidate < scores.length; candidate++) {
        const from = offsets[candidate]!;
        const to = offsets[candidate + 1]!;
        const next = to - from === 1 ? from + (values[from]! <= target ? 1 : 0) : upperBound(values, from, to, target);
        if (next === from) continue;
        const score = values[next - 1]! - target;
        if (score > scores[candidate]!) scores[candidate] = score;
      }
    }
  };
}

/** Prefers the candidates that the minimum-cost assignment gives to a connection; among equals, the nearest. */
export function assigned(left: Column, right: Column, partners: readonly (readonly number[])[]): Scorer {
  const distance = nearest(left, right);
  const extent = (values: Float64Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const bonus = 2 * (extent(left.values) + extent(right.values)) + 1;
  return (asked, scores) => {
    distance(asked, scores);
    for (const candidate of partners[asked]!) scores[candidate]! += bonus;
  };
}
