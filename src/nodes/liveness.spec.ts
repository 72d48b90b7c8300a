import { describe, expect, it } from 'vitest';
import { isMassSilence } from './liveness.js';

describe('isMassSilence', () => {
  it.each([
    [1, 1, false],
    [1, 2, false],
    [2, 2, true],
    [2, 3, false],
    [3, 3, true],
    [3, 14, true],
    [3, 15, false],
    [20, 100, false],
    [21, 100, true],
    [0, 0, false],
  ])('for %d silent nodes of %d is %s', (silent, nodes, expected) => {
    expect(isMassSilence({ silent, nodes })).toBe(expected);
  });
});
