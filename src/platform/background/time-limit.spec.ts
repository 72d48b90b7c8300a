import { describe, expect, it } from 'vitest';
import { withTimeLimit } from './time-limit.js';

const timeoutError = () => new Error('too late');

describe('withTimeLimit', () => {
  it('settles as the promise does', async () => {
    expect(await withTimeLimit(1_000, Promise.resolve(7), timeoutError)).toBe(7);
    await expect(withTimeLimit(1_000, Promise.reject(new Error('no')), timeoutError)).rejects.toThrow('no');
  });

  it('rejects once the time is over', async () => {
    await expect(withTimeLimit(5, new Promise(() => {}), timeoutError)).rejects.toThrow('too late');
  });
});
