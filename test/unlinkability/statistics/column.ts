/*
 * In this folder `!` follows an index that the loop keeps in range. A default would hide a mistake, and cost time in the inner
 * loops.
 */

/**
 * The numbers of a trace for a list of entities. Entity `i` has `values[offsets[i]]` up to, not including,
 * `values[offsets[i + 1]]`, in ascending order.
 */
export interface Column {
  readonly offsets: Int32Array;
  readonly values: Float64Array;
}

export function columnOf(numbers: ReadonlyMap<string, readonly number[]>, entities: readonly string[]): Column {
  const offsets = new Int32Array(entities.length + 1);
  const values: number[] = [];
  for (const [index, entity] of entities.entries()) {
    values.push(...(numbers.get(entity) ?? []).toSorted((a, b) => a - b));
    offsets[index + 1] = values.length;
  }
  return { offsets, values: Float64Array.from(values) };
}

/**
 * Replaces each value by its rank among all values, divided by their number. Equal values share the middle of their ranks, so
 * that the order in which a map lists them says nothing.
 */
export function ranksOf(numbers: ReadonlyMap<string, readonly number[]>): Map<string, number[]> {
  const all = Float64Array.from([...numbers.values()].flat()).sort();
  const rank = new Map<number, number>();
  for (let from = 0, to = 0; from < all.length; from = to) {
    while (to < all.length && all[to] === all[from]) to++;
    rank.set(all[from]!, (from + to) / 2 / all.length);
  }
  return new Map([...numbers].map(([entity, values]) => [entity, values.map((value) => rank.get(value)!)]));
}

/** The number of values, between `from` and `to` in ascending `values`, that are at most `limit`, plus `from`. */
export function upperBound(values: Float64Array, from: number, to: number, limit: number): number {
  while (from < to) {
    const middle = (from + to) >> 1;
    if (values[middle]! <= limit) from = middle + 1;
    else to = middle;
  }
  return from;
}

/**
 * For each candidate, the difference between a value of the connection and one of the candidate that is closest to `centre`,
 * less `centre`. NaN for a candidate without a value, and for all if the connection has none.
 */
export function closestGaps(left: Column, right: Column, asked: number, centre: number, gaps: Float64Array): void {
  gaps.fill(NaN);
  const { offsets, values } = left;
  const end = right.offsets[asked + 1]!;
  for (let at = right.offsets[asked]!; at < end; at++) {
    const target = right.values[at]! - centre;
    for (let candidate = 0; candidate < gaps.length; candidate++) {
      const from = offsets[candidate]!;
      const to = offsets[candidate + 1]!;
      if (from === to) continue;
      const gap = to - from === 1 ? target - values[from]! : nearestGap(values, from, to, target);
      if (!(Math.abs(gap) >= Math.abs(gaps[candidate]!))) gaps[candidate] = gap;
    }
  }
}

/** The same for one candidate. */
export function closestGap(left: Column, right: Column, asked: number, centre: number, candidate: number): number {
  const from = left.offsets[candidate]!;
  const to = left.offsets[candidate + 1]!;
  let closest = NaN;
  for (let at = right.offsets[asked]!; at < right.offsets[asked + 1]! && from < to; at++) {
    const gap = nearestGap(left.values, from, to, right.values[at]! - centre);
    if (!(Math.abs(gap) >= Math.abs(closest))) closest = gap;
  }
  return closest;
}

/** `target` less the value nearest to it, between `from` and `to` in ascending `values`. There must be a value. */
function nearestGap(values: Float64Array, from: number, to: number, target: number): number {
  const next = upperBound(values, from, to, target);
  if (next === from) return target - values[from]!;
  const before = target - values[next - 1]!;
  if (next === to) return before;
  const after = target - values[next]!;
  return before <= -after ? before : after;
}
