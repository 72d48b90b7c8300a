import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { identify, isAlive, type ProcessIdentity } from '../../dev/services/process-identity.js';
import { processStat } from '../../dev/services/process-stat.js';
import { endWithThisProcess } from '../../dev/services/reaper.js';

/*
 * A run of tests that is interrupted leaves no process and no data behind, whichever of its processes is killed. The run here
 * is of a spec that starts all there is: PostgreSQL, Redis, fakes, and the built service in processes of its own.
 */

const command = ['test', '--', '--mode', 'heavy', 'test/chaos/kill-during-issuance.heavy.spec.ts'];

// Those that were asked to end in good order are killed after ten seconds.
const patience = { timeout: 25_000 };

interface Process extends ProcessIdentity {
  readonly parent: number;
  readonly commandLine: string;
}

let npm: ChildProcess | undefined;
afterEach(() => {
  if (npm?.pid !== undefined && npm.exitCode === null && npm.signalCode === null) process.kill(-npm.pid, 'SIGKILL');
});

/** All processes of this machine that can be seen (proc(5)). */
function processes(): Process[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const [, parent] = processStat(Number(name));
      const commandLine = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return [{ ...identify(Number(name)), parent: Number(parent), commandLine }];
    } catch {
      // No process, or one that has just ended.
      return [];
    }
  });
}

function descendantsOf(pid: number): Process[] {
  const all = processes();
  const below = (parent: number): Process[] =>
    all.filter((each) => each.parent === parent).flatMap((each) => [each, ...below(each.pid)]);
  return below(pid);
}

/** What a run consists of once its spec has begun. */
const parts = [
  /^npm /,
  /dev\/run\.mjs/,
  /vitest run/,
  /bin\/postgres -D/,
  /redis-server/,
  /dist\/src\/main\.js/,
  /reaper-process/,
];

/** @returns every process of a run that is under way */
async function startRun(): Promise<Process[]> {
  npm = spawn('npm', command, { stdio: 'ignore', detached: true });
  endWithThisProcess(npm.pid);
  const pid = npm.pid ?? 0;
  const find = () => [...processes().filter((each) => each.pid === pid), ...descendantsOf(pid)];
  const missing = () => {
    const run = find();
    return parts.filter((part) => !run.some(({ commandLine }) => part.test(commandLine)));
  };
  await expect.poll(missing, { timeout: 120_000 }).toEqual([]);
  return find();
}

function one(run: readonly Process[], what: RegExp): Process {
  const found = run.find(({ commandLine }) => what.test(commandLine));
  if (found === undefined) throw new Error(`no process is ${what}: ${run.map((each) => each.commandLine).join('\n')}`);
  return found;
}

describe.runIf(process.platform === 'linux')('a run of tests', { timeout: 180_000 }, () => {
  it.each([
    ['is interrupted by Ctrl-C', 'SIGINT', undefined],
    ['loses npm', 'SIGKILL', /^npm /],
    ['loses the process that started it', 'SIGKILL', /dev\/run\.mjs/],
    ['loses the process that runs it', 'SIGKILL', /vitest run/],
  ] as const)('leaves nothing behind when it %s', async (_, signal, victim) => {
    const run = await startRun();
    const data = dirname(readlinkSync(`/proc/${one(run, /redis-server/).pid}/cwd`));
    expect(existsSync(data)).toBe(true);

    // Ctrl-C reaches the whole group of the terminal.
    process.kill(victim === undefined ? -(npm?.pid ?? 0) : one(run, victim).pid, signal);

    await expect.poll(() => run.filter(isAlive).map((each) => each.commandLine), patience).toEqual([]);
    await expect.poll(() => existsSync(data), patience).toBe(false);
  });
});
