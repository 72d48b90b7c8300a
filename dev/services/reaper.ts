import { spawn } from 'node:child_process';
import { type Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { identify, type ProcessIdentity } from './process-identity.js';

/*
 * What a launcher starts must end with it, also when it is killed and none of its handlers run. So it has a reaper: a process
 * of its own, in a session of its own, which learns over a pipe what there is to end, and does so once the pipe is closed.
 * The kernel closes it, whatever ended the launcher.
 */

/** One line to the reaper, as JSON. */
export type ReaperOrder =
  { readonly process: ProcessIdentity; readonly signal: NodeJS.Signals } | { readonly folder: string };

let orders: Writable | undefined;

/**
 * Ends a process once this one has ended, however that happened. With it goes the rest of its group, if it leads one
 * (`detached`) and still runs.
 *
 * @param signal what asks it to end; it is killed when that has not helped within ten seconds
 */
export function endWithThisProcess(pid: number | undefined, signal: NodeJS.Signals = 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    order({ process: identify(pid), signal });
  } catch {
    // It has ended already.
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
  // Tests run from the sources, whose build is in dist/.
  const built = import.meta.url.endsWith('.ts') ? '../../dist/dev/services/' : './';
  const program = fileURLToPath(new URL(`${built}reaper-process.js`, import.meta.url));
  const env = { PATH: process.env.PATH };
  const reaper = spawn(process.execPath, [program], { detached: true, stdio: ['pipe', 'ignore', 'inherit'], env });
  // A machine that can start no process has other worries: what then stays is ended by the next start.
  reaper.on('error', () => undefined);
  reaper.unref();
  // Neither keeps this process running. A reaper that was killed must not end it either.
  (reaper.stdin as Writable & { unref(): void }).unref();
  reaper.stdin.on('error', () => undefined);
  return reaper.stdin;
}
