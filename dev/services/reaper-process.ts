import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isAlive, type ProcessIdentity, signal, waitForEnd } from './process-identity.js';
import { type ReaperOrder } from './reaper.js';

/** The program that reaper.ts starts. It must also run on the machine's own Node, which may be older. */

const timeoutMs = 10_000;

const ends: (() => Promise<void>)[] = [];
const folders: string[] = [];
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as ReaperOrder;
  if ('folder' in order) folders.push(order.folder);
  else ends.push(() => end(order.process, order.signal));
}
// The launcher has ended. A failure must not stop the rest of the clean-up.
await Promise.allSettled(ends.map((each) => each()));
for (const folder of folders) remove(folder);

async function end(process_: ProcessIdentity, name: NodeJS.Signals): Promise<void> {
  if (!isAlive(process_)) return;
  signalGroup(process_, name);
  await waitForEnd(process_, timeoutMs);
  // Also when it has ended, because other processes of its group may still run.
  signalGroup(process_, 'SIGKILL');
  await waitForEnd(process_, timeoutMs);
}

function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    console.error(`Could not remove ${folder}:`, error);
  }
}

function signalGroup(process_: ProcessIdentity, name: NodeJS.Signals): void {
  try {
    process.kill(-process_.pid, name);
  } catch {
    // The process does not lead a group.
    signal(process_, name);
  }
}
