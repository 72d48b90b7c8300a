import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { identify, isAlive, type ProcessIdentity } from '../../dev/services/process-identity.js';
import { processStat } from '../../dev/services/process-stat.js';
import { endWithThisProcess } from '../../dev/services/reaper.js';

/*
 * An interrupted test run leaves no processes and no data behind, no matter which of its processes is killed. These tests
 * interrupt a spec that starts everything: PostgreSQL, Redis, fake providers, and the built service in its own processes.
 */

const command = ['test', '--', '--mode', 'heavy', 'test/chaos/kill-during-issuance.heavy.spec.ts'];

// Processes that do not exit by themselves are killed after ten seconds.
const pollOptions = { timeout: 25_000 };

interface Process extends ProcessIdentity {
  readonly parent: number;
  readonly commandLine: string;
}

let npm: ChildProcess | undefined;
afterEach(() => {
  if (npm?.pid !== undefined && npm.exitCode === null && npm.signalCode === null) process.kill(-npm.pid, 'SIGKILL');
});

/** All visible processes of this machine (proc(5)). */
function processes(): Process[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const [, parent] = processStat(Number(name));
      const commandLine = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return [{ ...identify(Number(name)), parent: Number(parent), commandLine }];
    } catch {
      // Not a process, or one that has just exited.
      return [];
    }
  });
}

function descendantsOf(pid: number): Process[] {
  const all = processes();
  const below = (parent: number): Process[] =>
    all.filter((child) => child.parent === parent).flatMap((child) => [child, ...below(child.pid)]);
  return below(pid);
}

/** The processes of a run once its spec has started. */
const commandLines = [
  /^npm /,
  /dev\/run\.mjs/,
  /vitest run/,
  /bin\/postgres -D/,
  /redis-server/,
  /dist\/src\/main\.js/,
  /reaper-process/,
];

/** Starts a test run. @returns all its processes, once its spec has started */
async function startRun(): Promise<Process[]> {
  npm = spawn('npm', command, { stdio: 'ignore', detached: true });
  endWithThisProcess(npm.pid);
  const pid = npm.pid ?? 0;
  const find = () => [...processes().filter((candidate) => candidate.pid === pid), ...descendantsOf(pid)];
  const missing = () => {
    const run = find();
    return commandLines.filter((pattern) => !run.some(({ commandLine }) => pattern.test(commandLine)));
  };
  await expect.poll(missing, { timeout: 120_000 }).toEqual([]);
  return find();
}

function findProcess(run: readonly Process[], pattern: RegExp): Process {
  const found = run.find(({ commandLine }) => pattern.test(commandLine));
  if (found === undefined) {
    throw new Error(`no process matches ${pattern}: ${run.map(({ commandLine }) => commandLine).join('\n')}`);
  }
  return found;
}

describe.runIf(process.platform === 'linux')('a test run', { timeout: 180_000 }, () => {
  it.each([
    ['Ctrl-C interrupts it', 'SIGINT', undefined],
    ['npm is killed', 'SIGKILL', /^npm /],
    ['its launcher is killed', 'SIGKILL', /dev\/run\.mjs/],
    ['vitest is killed', 'SIGKILL', /vitest run/],
  ] as const)('leaves nothing behind when %s', async (_, signal, victim) => {
    const run = await startRun();
    const data = dirname(readlinkSync(`/proc/${findProcess(run, /redis-server/).pid}/cwd`));
    expect(existsSync(data)).toBe(true);

    // Ctrl-C signals the terminal's whole process group.
    process.kill(victim === undefined ? -(npm?.pid ?? 0) : findProcess(run, victim).pid, signal);

    await expect.poll(() => run.filter(isAlive).map(({ commandLine }) => commandLine), pollOptions).toEqual([]);
    await expect.poll(() => existsSync(data), pollOptions).toBe(false);
  });
});
