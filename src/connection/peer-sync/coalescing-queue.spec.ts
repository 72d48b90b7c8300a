import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CoalescingQueue } from './coalescing-queue.js';

/** A job in which each run waits until the test releases it. */
function heldJob() {
  const runs: { items: number[]; finish: (error?: Error) => void }[] = [];
  const failures: unknown[] = [];
  const queue = new CoalescingQueue<number>(
    (items) =>
      new Promise((resolve, reject) => {
        runs.push({ items: [...items].sort(), finish: (error) => (error ? reject(error) : resolve()) });
      }),
    (error) => failures.push(error),
  );
  return { queue, runs, failures };
}

describe('CoalescingQueue', () => {
  it('processes items that were added together in one run, each item once', async () => {
    const { queue, runs } = heldJob();
    queue.add(1, 2);
    queue.add(2, 3);
    await setImmediate();
    expect(runs.map(({ items }) => items)).toEqual([[1, 2, 3]]);
    runs[0]?.finish();
    await queue.idle();
    expect(runs).toHaveLength(1);
  });

  it('processes items that were added during a run together in the next, and never runs twice at once', async () => {
    const { queue, runs } = heldJob();
    queue.add(1);
    await setImmediate();
    for (const item of [1, 2, 3, 3]) queue.add(item);
    await setImmediate();
    expect(runs).toHaveLength(1);
    runs[0]?.finish();
    await expect.poll(() => runs.length).toBe(2);
    runs[1]?.finish();
    await queue.idle();
    expect(runs.map(({ items }) => items)).toEqual([[1], [1, 2, 3]]);
  });

  it('loses no item that is added when the last run ends', async () => {
    let runs = 0;
    const queue = new CoalescingQueue<number>(
      () => {
        runs += 1;
        return Promise.resolve();
      },
      () => undefined,
    );
    for (let round = 0; round < 100; round += 1) {
      queue.add(1);
      await queue.idle();
      queue.add(2);
      for (let turn = 0; turn < round % 5; turn += 1) await setImmediate();
      queue.add(3);
      await queue.idle();
      expect(runs).toBeGreaterThanOrEqual(2 * (round + 1));
    }
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('down'))],
    [
      'throws',
      () => {
        throw new Error('down');
      },
    ],
  ])('continues after a job that %s, and reports the failure', async (_, fail) => {
    let runs = 0;
    const failures: unknown[] = [];
    const queue = new CoalescingQueue<number>(
      () => {
        runs += 1;
        return runs === 1 ? fail() : Promise.resolve();
      },
      (error) => failures.push(error),
    );
    queue.add(1);
    await queue.idle();
    queue.add(2);
    await queue.idle();
    expect([runs, failures]).toEqual([2, [new Error('down')]]);
  });

  it('does not run without items', async () => {
    const { queue, runs } = heldJob();
    queue.add();
    await queue.idle();
    await setImmediate();
    expect(runs).toEqual([]);
  });
});
