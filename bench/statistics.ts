/** The middle value; for an even count, the mean of the two middle values. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export function percentiles(values: readonly number[]): Percentiles {
  const sorted = Float64Array.from(values).sort();
  // Nearest rank: always a measured value, never an interpolated one.
  const at = (percent: number) => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? NaN;
  return { p50: at(50), p95: at(95), p99: at(99) };
}

export interface Ratio {
  /** The ratio of the medians. */
  readonly ratio: number;
  /** The smallest and the largest ratio of a single round, whose two measurements ran within seconds of each other. */
  readonly min: number;
  readonly max: number;
}

/** Compares two series of rounds, round by round. */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): Ratio {
  const each = ours.map((value, round) => value / (theirs[round] ?? NaN));
  return { ratio: median(ours) / median(theirs), min: Math.min(...each), max: Math.max(...each) };
}
