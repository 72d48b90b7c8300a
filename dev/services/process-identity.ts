import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { processStat } from './process-stat.js';

/** Identifies one process uniquely. A pid alone can be reused; a pid with its start time and boot id cannot. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly started: string;
}

/** The process's start time, in the system's format; undefined when there is no such process, or only a zombie. */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
    }
    const [state, ...rest] = processStat(pid);
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return state === 'Z' || state === 'X' ? undefined : `${boot}/${rest[18]}`;
  } catch {
    return undefined;
  }
}

/** @throws {Error} when the process has already ended. */
export function identify(pid: number): ProcessIdentity {
  const started = startOf(pid);
  if (started === undefined) throw new Error(`Process ${pid} has already ended.`);
  return { pid, started };
}

export function isAlive({ pid, started }: ProcessIdentity): boolean {
  return startOf(pid) === started;
}

/** Sends the signal to exactly this process. Does nothing when it has ended, even if another process has its pid now. */
export function signal(process_: ProcessIdentity, name: NodeJS.Signals): void {
  if (!isAlive(process_)) return;
  try {
    process.kill(process_.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export async function waitForEnd(process_: ProcessIdentity, milliseconds: number): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  while (isAlive(process_)) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}
