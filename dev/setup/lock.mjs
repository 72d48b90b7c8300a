import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processStat } from './process-stat.mjs';

/**
 * Records which tasks run from this checkout, and which one is setting it up. A process is identified by pid and start time, so
 * that a killed process is never confused with another one that has its pid.
 */
const folder = '.setup';
const running = join(folder, 'running');

function startOf(pid) {
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    }
    const started = processStat(pid)[19];
    return started === undefined ? '' : `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${started}`;
  } catch {
    return '';
  }
}

const self = { pid: process.pid, started: startOf(process.pid), task: process.argv[2] };

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

const isAlive = (entry) => entry !== undefined && entry.started !== '' && startOf(entry.pid) === entry.started;

/** Other tasks that run from this checkout now. */
export function othersRunning() {
  mkdirSync(running, { recursive: true });
  const entries = readdirSync(running).map((name) => ({ path: join(running, name), entry: read(join(running, name)) }));
  for (const { path, entry } of entries) if (entry && !isAlive(entry)) rmSync(path, { force: true });
  return entries.map(({ entry }) => entry).filter((entry) => isAlive(entry) && entry.pid !== process.pid);
}

/** Records that this task runs from the checkout, until it ends. */
export function announceSelf() {
  mkdirSync(running, { recursive: true });
  const path = join(running, `${process.pid}.json`);
  writeFileSync(path, JSON.stringify(self));
  process.once('exit', () => rmSync(path, { force: true }));
}

/**
 * Runs `work` while no other process of this checkout does.
 *
 * The lock is the file `lock.<n>` with the highest number. The process that creates the next number has the lock. On release
 * the file is emptied, never removed: when several processes see the same dead owner, only one can create the next number.
 */
export async function exclusively(work) {
  mkdirSync(folder, { recursive: true });
  const draft = join(folder, `lock-${process.pid}.tmp`);
  writeFileSync(draft, JSON.stringify(self));
  try {
    const acquired = await acquire(draft);
    try {
      return await work();
    } finally {
      writeFileSync(acquired, '{}');
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

const lockNumbers = () =>
  readdirSync(folder)
    .filter((name) => /^lock\.\d+$/.test(name))
    .map((name) => Number(name.slice(5)))
    .sort((a, b) => b - a);

async function acquire(draft) {
  for (let announced = false; ;) {
    const [highest = 0] = lockNumbers();
    const owner = read(join(folder, `lock.${highest}`));
    if (!isAlive(owner)) {
      const mine = join(folder, `lock.${highest + 1}`);
      if (tryLink(draft, mine)) {
        const [first, ...older] = lockNumbers();
        if (first === highest + 1) {
          for (const number of older) rmSync(join(folder, `lock.${number}`), { force: true });
          return mine;
        }
        rmSync(mine, { force: true });
      }
      continue;
    }
    if (!announced)
      console.error(`Waiting for process ${owner.pid} (${owner.task}), which is setting up this checkout …`);
    announced = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function tryLink(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}
