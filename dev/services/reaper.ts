import { spawn } from 'node:child_process';
import { type Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { identify, type ProcessIdentity } from './process-identity.js';

/*
 * The processes that a launcher starts must end with it, also when it is killed and none of its handlers run. So it starts a
 * reaper: a process in its own session that reads from a pipe which processes to end, and ends them once the pipe is closed.
 * The kernel closes the pipe however the launcher ends.
 */

/** One line to the reaper, as JSON. */
export type ReaperOrder =
  { readonly process: ProcessIdentity; readonly signal: NodeJS.Signals } | { readonly folder: string };

let orders: Writable | undefined;

/**
 * Ends a process once this one has ended for any reason. If the process leads a group (`detached`) and still runs, the whole
 * group is ended.
 *
 * @param signal the signal to send; after ten seconds the process is killed
 */
export function endWithThisProcess(pid: number | undefined, signal: NodeJS.Signals = 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    order({ process: identify(pid), signal });
  } catch {
    // The process has already ended.
  }
}

/** Removes a folder once this process has ended, after the processes above. */
export function removeWithThisProcess(folder: string): void {
  order({ folder });
}

function order(line: ReaperOrder): void {
  orders ??= startReaper();
  orders.write(`${JSON.stringify(line)}\n`);
}

function startReaper(): Writable {
  // Tests run from the sources; their build is in dist/.
  const built = import.meta.url.endsWith('.ts') ? '../../dist/dev/services/' : './';
  const program = fileURLToPath(new URL(`${built}reaper-process.js`, import.meta.url));
  const env = { PATH: process.env.PATH };
  const reaper = spawn(process.execPath, [program], { detached: true, stdio: ['pipe', 'ignore', 'inherit'], env });
  // Without a reaper, the next start ends what is left.
  reaper.on('error', () => undefined);
  reaper.unref();
  // Reaper and pipe must not keep this process running, and a killed reaper must not end it.
  (reaper.stdin as Writable & { unref(): void }).unref();
  reaper.stdin.on('error', () => undefined);
  return reaper.stdin;
}
