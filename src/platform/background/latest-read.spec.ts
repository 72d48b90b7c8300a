import { describe, expect, it } from 'vitest';
import { LatestRead } from './latest-read.js';

describe('LatestRead', () => {
  it('never replaces a newer result with an older one', async () => {
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

  it('applies each result of reads that end in order, and ignores a failed read', async () => {
    const reads = new LatestRead();
    const found: string[] = [];
    const apply = (value: string) => void found.push(value);
    await reads.run(async () => 'one', apply);
    await expect(reads.run(() => Promise.reject(new Error('down')), apply)).rejects.toThrow('down');
    await reads.run(async () => 'two', apply);
    expect(found).toEqual(['one', 'two']);
  });
});
