import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const lock = join(import.meta.dirname, 'lock.mjs');

let checkout: string;
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'checkout-'));
});
afterEach(() => rmSync(checkout, { recursive: true, force: true }));

async function run(script: string): Promise<number | null> {
  const text = `const { exclusively, announceSelf, othersRunning } = await import(${JSON.stringify(lock)});\n${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { cwd: checkout, stdio: 'ignore' });
  return ((await once(child, 'exit')) as [number | null])[0];
}

const file = (name: string) => join(checkout, name);

/** Loses an update if another process runs between its read and its write. */
const increment = `
  const fs = await import('node:fs');
  await exclusively(async () => {
    const n = Number(fs.readFileSync('count', 'utf8'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    fs.writeFileSync('count', String(n + 1));
  });`;

describe('exclusively', () => {
  it('runs one process at a time, even when the last owner of the lock was killed', async () => {
    writeFileSync(file('count'), '0');
    await run(`await exclusively(() => process.kill(process.pid, 'SIGKILL'));`);
    expect(readFileSync(join(checkout, '.setup', 'lock.1'), 'utf8')).toContain('"pid"');

    const codes = await Promise.all(Array.from({ length: 8 }, () => run(increment)));
    expect(codes).toEqual(Array(8).fill(0));
    expect(readFileSync(file('count'), 'utf8')).toBe('8');
    expect(readdirSync(join(checkout, '.setup')).filter((name) => name.startsWith('lock.'))).toHaveLength(1);
  });

  it('releases the lock when the work fails', async () => {
    writeFileSync(file('count'), '0');
    expect(await run(`await exclusively(() => { throw new Error('no'); });`)).toBe(1);
    expect(await run(increment)).toBe(0);
  });
});

describe('othersRunning', () => {
  it('lists a task until it ends, also when it is killed', async () => {
    const others = `process.exitCode = othersRunning().length`;
    const script = `(await import(${JSON.stringify(lock)})).announceSelf(); setInterval(() => {}, 1000); console.log('announced');`;
    const task = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: checkout });
    await once(task.stdout, 'data');
    expect(await run(others)).toBe(1);
    task.kill('SIGKILL');
    await once(task, 'exit');
    expect(await run(others)).toBe(0);
  });

  it('does not list another process that has the pid of a former task', async () => {
    mkdirSync(join(checkout, '.setup', 'running'), { recursive: true });
    const former = { pid: process.pid, started: 'long ago', task: 'start' };
    writeFileSync(join(checkout, '.setup', 'running', `${process.pid}.json`), JSON.stringify(former));
    expect(await run(`process.exitCode = othersRunning().length`)).toBe(0);
  });
});
