import { describe, expect, it } from 'vitest';
import { LatestRead } from './latest-read.js';

describe('reads that overtake each other', () => {
  it('never bring an older state back', async () => {
    const reads = new LatestRead();
    const found: string[] = [];
    const slow = Promise.withResolvers<string>();
    const fast = Promise.withResolvers<string>();
    const both = [slow, fast].map(({ promise }) =>
      reads.run(
        () => promise,
        (value) => found.push(value),
      ),
    );
    fast.resolve('new');
    await both[1];
    slow.resolve('old');
    await both[0];
    expect(found).toEqual(['new']);
  });

  it('are each applied when they end in order, and a failed one changes nothing', async () => {
    const reads = new LatestRead();
    const found: string[] = [];
    const apply = (value: string) => void found.push(value);
    await reads.run(async () => 'one', apply);
    await expect(reads.run(() => Promise.reject(new Error('down')), apply)).rejects.toThrow('down');
    await reads.run(async () => 'two', apply);
    expect(found).toEqual(['one', 'two']);
  });
});
