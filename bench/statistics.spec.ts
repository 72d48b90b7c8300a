import { describe, expect, it } from 'vitest';
import { median, percentiles, ratioOf } from './statistics.js';

describe('median', () => {
  it('takes the middle, whatever the order', () => {
    expect(median([9, 1, 5])).toBe(5);
  });

  it('takes the mean of the two in the middle of an even count', () => {
    expect(median([4, 1, 3, 100])).toBe(3.5);
  });

  it('compares as numbers', () => {
    expect(median([10, 9, 100])).toBe(10);
  });

  it('knows nothing of nothing', () => {
    expect(median([])).toBeNaN();
  });
});

describe('percentiles', () => {
  it('gives values that were measured, by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentiles(hundred)).toEqual({ p50: 50, p95: 95, p99: 99 });
  });

  it('gives the one value there is', () => {
    expect(percentiles([7])).toEqual({ p50: 7, p95: 7, p99: 7 });
  });

  it('shows a single outlier of ten as the 95th', () => {
    expect(percentiles([1, 1, 1, 1, 1, 1, 1, 1, 1, 500])).toEqual({ p50: 1, p95: 500, p99: 500 });
  });
});

describe('ratioOf', () => {
  it('compares the medians, and shows how far single rounds lie apart', () => {
    expect(ratioOf([70, 80, 90], [100, 100, 60])).toEqual({ ratio: 0.8, min: 0.7, max: 1.5 });
  });
});
