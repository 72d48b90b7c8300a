import { describe, expect, it } from 'vitest';
import { median, percentiles, ratioOf } from './statistics.js';

describe('median', () => {
  it('returns the middle value in any order', () => {
    expect(median([9, 1, 5])).toBe(5);
  });

  it('returns the mean of the two middle values for an even count', () => {
    expect(median([4, 1, 3, 100])).toBe(3.5);
  });

  it('sorts values as numbers', () => {
    expect(median([10, 9, 100])).toBe(10);
  });

  it('is NaN without values', () => {
    expect(median([])).toBeNaN();
  });
});

describe('percentiles', () => {
  it('returns measured values, by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentiles(hundred)).toEqual({ p50: 50, p95: 95, p99: 99 });
  });

  it('returns the only value', () => {
    expect(percentiles([7])).toEqual({ p50: 7, p95: 7, p99: 7 });
  });

  it('returns one outlier of ten values as p95 and p99', () => {
    expect(percentiles([1, 1, 1, 1, 1, 1, 1, 1, 1, 500])).toEqual({ p50: 1, p95: 500, p99: 500 });
  });
});

describe('ratioOf', () => {
  it('compares the medians, and returns the smallest and largest ratio of single rounds', () => {
    expect(ratioOf([70, 80, 90], [100, 100, 60])).toEqual({ ratio: 0.8, min: 0.7, max: 1.5 });
  });
});
