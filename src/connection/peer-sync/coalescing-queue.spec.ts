import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CoalescingQueue } from './coalescing-queue.js';

/** A job that each run waits in until it is let go. */
function heldJob() {
  const runs: { marks: number[]; finish: (error?: Error) => void }[] = [];
  const failures: unknown[] = [];
  const wakeUp = new CoalescingQueue<number>(
    (marks) =>
      new Promise((resolve, reject) => {
        runs.push({ marks: [...marks].sort(), finish: (error) => (error ? reject(error) : resolve()) });
      }),
    (error) => failures.push(error),
  );
  return { wakeUp, runs, failures };
}

describe('waking up', () => {
  it('serves what was marked together in one run, each mark once', async () => {
    const { wakeUp, runs } = heldJob();
    wakeUp.add(1, 2);
    wakeUp.add(2, 3);
    await setImmediate();
    expect(runs.map(({ marks }) => marks)).toEqual([[1, 2, 3]]);
    runs[0]?.finish();
    await wakeUp.idle();
    expect(runs).toHaveLength(1);
  });

  it('serves marks of a running job together in the next, and never runs two at once', async () => {
    const { wakeUp, runs } = heldJob();
    wakeUp.add(1);
    await setImmediate();
    for (const mark of [1, 2, 3, 3]) wakeUp.add(mark);
    await setImmediate();
    expect(runs).toHaveLength(1);
    runs[0]?.finish();
    await expect.poll(() => runs.length).toBe(2);
    runs[1]?.finish();
    await wakeUp.idle();
    expect(runs.map(({ marks }) => marks)).toEqual([[1], [1, 2, 3]]);
  });

  it('loses no mark that comes as the last run ends', async () => {
    let runs = 0;
    const wakeUp = new CoalescingQueue<number>(
      () => {
        runs += 1;
        return Promise.resolve();
      },
      () => undefined,
    );
    for (let round = 0; round < 100; round += 1) {
      wakeUp.add(1);
      await wakeUp.idle();
      wakeUp.add(2);
      for (let turn = 0; turn < round % 5; turn += 1) await setImmediate();
      wakeUp.add(3);
      await wakeUp.idle();
      expect(runs).toBeGreaterThanOrEqual(2 * (round + 1));
    }
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('away'))],
    [
      'throws',
      () => {
        throw new Error('away');
      },
    ],
  ])('goes on after a job that %s, and says so', async (_, fail) => {
    let runs = 0;
    const failures: unknown[] = [];
    const wakeUp = new CoalescingQueue<number>(
      () => {
        runs += 1;
        return runs === 1 ? fail() : Promise.resolve();
      },
      (error) => failures.push(error),
    );
    wakeUp.add(1);
    await wakeUp.idle();
    wakeUp.add(2);
    await wakeUp.idle();
    expect([runs, failures]).toEqual([2, [new Error('away')]]);
  });

  it('does nothing for no mark', async () => {
    const { wakeUp, runs } = heldJob();
    wakeUp.add();
    await wakeUp.idle();
    await setImmediate();
    expect(runs).toEqual([]);
  });
});
