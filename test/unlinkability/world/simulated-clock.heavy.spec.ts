import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { freePort } from '../../../dev/services/server-process.js';

const folder = mkdtempSync(join(tmpdir(), 'simulated-clock-'));
afterAll(() => rmSync(folder, { recursive: true }));

const preload = fileURLToPath(new URL('./preload/simulated-clock.ts', import.meta.url));
const aheadMs = 10 * 86_400_000;

/** Runs a module with the clock ten days ahead. @returns the JSON text that it prints */
async function runAhead(code: string, name = 'program.mjs'): Promise<unknown> {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, code);
  const env = {
    PATH: process.env.PATH,
    WORLD_CLOCK_OFFSET_MS: String(aheadMs),
    WORLD_CONTROL_PORT: String(await freePort()),
  };
  const { stdout } = await promisify(execFile)(process.execPath, [`--import=${preload}`, file], { env });
  return JSON.parse(stdout);
}

describe('simulated-clock', () => {
  it('moves every way to read the time', async () => {
    const times = await runAhead(`
      const times = [Date.now(), new Date().getTime(), +new Date(Date()), Reflect.construct(Date, []).getTime()];
      console.log(JSON.stringify(times));`);
    for (const time of times as number[]) expect(Math.abs(time - Date.now() - aheadMs)).toBeLessThan(10_000);
  });

  it('keeps what else Date does', async () => {
    const facts = await runAhead(`
      class Day extends Date { get first() { return this.getUTCDate() === 1; } }
      const day = new Day('2030-01-01T00:00:00Z');
      console.log(JSON.stringify([
        new Date(5).getTime(), new Date(2030, 0, 1).getFullYear(), Date.UTC(2030, 0), Date.parse('2030-01-01'), typeof Date(),
        day.first, day instanceof Day, day instanceof Date, new Date().constructor === Date, structuredClone(day) instanceof Date,
        new Date(new Date(7)).getTime(),
      ]));`);
    const midnight = Date.UTC(2030, 0);
    expect(facts).toEqual([5, 2030, midnight, midnight, 'string', true, true, true, true, true, 7]);
  });

  it('keeps timers, and their promises', async () => {
    const order = await runAhead(`
      import { promisify } from 'node:util';
      const order = [];
      const timer = setTimeout(() => order.push('cleared'), 1_000);
      clearTimeout(timer);
      setTimeout((text) => order.push(text), 1_100, 'late');
      setTimeout((text) => order.push(text), 5, 'early');
      await promisify(setTimeout)(1_200);
      console.log(JSON.stringify([...order, timer.hasRef()]));`);
    expect(order).toEqual(['early', 'late', true]);
  });

  it("runs the service's timers that the clock jumps past, once, and no others", async () => {
    const fired = await runAhead(
      `
      import { connect } from 'node:net';
      const fired = [];
      setTimeout((text) => fired.push(text), 3_600_000, 'hour').unref();
      setTimeout(() => fired.push('day'), 86_400_000).unref();
      clearTimeout(setTimeout(() => fired.push('cleared'), 1_000));
      const control = connect(Number(process.env.WORLD_CONTROL_PORT), '127.0.0.1');
      const command = (text) => new Promise((done) => { control.once('data', done); control.write(JSON.stringify(text) + '\\n'); });
      await command({ runDueTimers: true });
      fired.push('moved');
      await command({ offsetMs: ${aheadMs + 7_200_000} });
      await command({ runDueTimers: true });
      await command({ runDueTimers: true });
      control.destroy();
      console.log(JSON.stringify(fired));`,
      'dist/src/program.mjs',
    );
    expect(fired).toEqual(['moved', 'hour']);
  });
});
