import { describe, expect, it } from 'vitest';
import { closestGap, closestGaps, columnOf, ranksOf } from './column.js';

describe('ranksOf', () => {
  it('gives equal values the middle of their ranks', () => {
    const ranks = ranksOf(
      new Map([
        ['a', [10]],
        ['b', [5, 10]],
        ['c', [20]],
      ]),
    );
    expect([...ranks]).toEqual([
      ['a', [2 / 4]],
      ['b', [0.5 / 4, 2 / 4]],
      ['c', [3.5 / 4]],
    ]);
  });
});

describe('closestGaps', () => {
  const left = columnOf(
    new Map([
      ['one', [100]],
      ['many', [300, 90, 140, 200]],
    ]),
    ['one', 'none', 'many'],
  );
  const right = columnOf(new Map([['connection', [150, 195]]]), ['nothing', 'connection']);

  it.each([
    { centre: 0, gaps: [50, NaN, -5] },
    { centre: 60, gaps: [-10, NaN, 0] },
    { centre: -200, gaps: [250, NaN, 50] },
  ])('gives the differences that are closest to $centre', ({ centre, gaps }) => {
    const found = new Float64Array(3);
    closestGaps(left, right, 1, centre, found);
    expect([...found]).toEqual(gaps);
    expect([0, 1, 2].map((candidate) => closestGap(left, right, 1, centre, candidate))).toEqual(gaps);
  });

  it('gives no number for a connection without a value', () => {
    const found = new Float64Array(3);
    closestGaps(left, right, 0, 0, found);
    expect([...found]).toEqual([NaN, NaN, NaN]);
  });
});
