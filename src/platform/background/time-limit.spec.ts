import { describe, expect, it } from 'vitest';
import { withTimeLimit } from './time-limit.js';

const tooLate = () => new Error('too late');

describe('withTimeLimit', () => {
  it('gives what the promise gives, or throws what it throws', async () => {
    expect(await withTimeLimit(1_000, Promise.resolve(7), tooLate)).toBe(7);
    await expect(withTimeLimit(1_000, Promise.reject(new Error('no')), tooLate)).rejects.toThrow('no');
  });

  it('throws once the time is over', async () => {
    await expect(withTimeLimit(5, new Promise(() => {}), tooLate)).rejects.toThrow('too late');
  });
});
