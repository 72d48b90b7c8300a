import { describe, expect, it } from 'vitest';
import { type Problem } from '../trace.js';
import { cohortOf } from './cohort.js';
import { FastRandom } from './fast-random.js';
import { linkageOf } from './linkage.js';

const rankUnit = 2 ** 16;
const hitUnit = 2 ** 32;

describe('linkageOf', () => {
  const names = Array.from({ length: 21 }, (_, index) => `connection ${index}`);
  const chain: Problem = {
    name: 'renewals',
    left: 'connection',
    truth: new Map(names.slice(1).map((name, index) => [name, names[index]!])),
    candidates: names,
    classes: new Map(names.map((name) => [name, 'all'])),
  };
  const random = new FastRandom('linkage');
  const cohort = cohortOf(chain, 9, random);
  const { matrices, correct } = linkageOf(
    cohort,
    (_, scores) => void scores.forEach((_, at) => (scores[at] = random.integer(5))),
    random,
  );

  it('gives the members of a group ranks with a mean of one half, so that no permuted truth has an advantage', () => {
    for (const [group, matrix] of matrices.entries()) {
      const size = cohort.groups[group]!.members.length;
      for (let row = 0; row < size; row++) {
        const ranks = [...matrix.subarray(row * size, (row + 1) * size)].map((cell) => cell % hitUnit);
        expect(ranks.reduce((sum, rank) => sum + rank, 0) / size / rankUnit).toBeCloseTo(0.5, 4);
      }
    }
  });

  it('counts a right guess once, in the row and column of its user', () => {
    const onDiagonals = matrices.flatMap((matrix, group) => {
      const size = cohort.groups[group]!.members.length;
      return Array.from({ length: size }, (_, row) => Math.floor(matrix[row * size + row]! / hitUnit));
    });
    expect(onDiagonals.reduce((sum, hits) => sum + hits, 0)).toBe(correct.reduce((sum, hit) => sum + hit, 0));
  });
});
