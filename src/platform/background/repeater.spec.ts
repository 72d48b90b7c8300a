import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Repeater } from './repeater.js';

describe('what is repeated', () => {
  it('goes on after failures, telling the first of each row', async () => {
    const told: string[] = [];
    let runs = 0;
    const work = async () => {
      runs += 1;
      if (runs !== 3) throw new Error(`run ${runs}`);
    };
    const repeater = new Repeater(1, work, (error) => told.push((error as Error).message));
    repeater.start();
    await expect.poll(() => runs).toBeGreaterThan(5);
    await repeater.stop();
    expect(told).toEqual(['run 1', 'run 4']);
  });

  it('never overlaps itself, and has ended when stop resolves', async () => {
    let running = 0;
    let most = 0;
    const work = async () => {
      running += 1;
      most = Math.max(most, running);
      await wait(20);
      running -= 1;
    };
    const repeater = new Repeater(1, work, () => {});
    repeater.start();
    await expect.poll(() => running, { interval: 1 }).toBe(1);
    await repeater.stop();
    expect([running, most]).toEqual([0, 1]);
    await wait(30);
    expect(running).toBe(0);
  });
});
