import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Repeater } from './repeater.js';

describe('Repeater', () => {
  it('continues after failures, and reports the first of several in a row', async () => {
    const reported: string[] = [];
    let runs = 0;
    const work = async () => {
      runs += 1;
      if (runs !== 3) throw new Error(`run ${runs}`);
    };
    const onFailure = (error: unknown) => reported.push((error as Error).message);
    const repeater = new Repeater({ waitMs: 1, run: work, onFailure });
    await repeater.start();
    await expect.poll(() => runs).toBeGreaterThan(5);
    await repeater.stop();
    expect(reported).toEqual(['run 1', 'run 4']);
  });

  it('never overlaps its runs, and has ended when stop resolves', async () => {
    let running = 0;
    let maxRunning = 0;
    const work = async () => {
      running += 1;
      maxRunning = Math.max(maxRunning, running);
      await wait(20);
      running -= 1;
    };
    const repeater = new Repeater({ waitMs: 1, run: work });
    await repeater.start();
    await expect.poll(() => running, { interval: 1 }).toBe(1);
    await repeater.stop();
    expect([running, maxRunning]).toEqual([0, 1]);
    await wait(30);
    expect(running).toBe(0);
  });

  it('waits for the first run in start with atStart', async () => {
    let runs = 0;
    const run = async () => {
      await wait(5);
      runs += 1;
    };
    const repeater = new Repeater({ waitMs: 60_000, run, atStart: true });
    await repeater.start();
    expect(runs).toBe(1);
    await repeater.stop();
  });

  it('calls waitMs for each wait, and says whether the last run failed', async () => {
    const asked: boolean[] = [];
    const waitMs = (hasFailed: boolean) => {
      asked.push(hasFailed);
      return 1;
    };
    const run = () => {
      if (asked.length === 2) throw new Error('the second run');
    };
    const repeater = new Repeater({ waitMs, run });
    await repeater.start();
    await expect.poll(() => asked.length).toBeGreaterThan(3);
    await repeater.stop();
    expect(asked.slice(0, 4)).toEqual([false, false, true, false]);
  });
});
