import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isAlive, type ProcessIdentity, signal, waitForEnd } from './process-identity.js';
import { type ReaperOrder } from './reaper.js';

/** The program of reaper.ts. It also runs on the Node that the machine has. */

const patienceMs = 10_000;

const ends: (() => Promise<void>)[] = [];
const folders: string[] = [];
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as ReaperOrder;
  if ('folder' in order) folders.push(order.folder);
  else ends.push(() => end(order.process, order.signal));
}
// The launcher has ended. What fails must not keep the rest from its end.
await Promise.allSettled(ends.map((each) => each()));
for (const folder of folders) remove(folder);

async function end(process_: ProcessIdentity, name: NodeJS.Signals): Promise<void> {
  if (!isAlive(process_)) return;
  signalGroup(process_, name);
  await waitForEnd(process_, patienceMs);
  // Also when it has ended: of its group, others may be left.
  signalGroup(process_, 'SIGKILL');
  await waitForEnd(process_, patienceMs);
}

function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    console.error(`${folder} could not be removed:`, error);
  }
}

function signalGroup(process_: ProcessIdentity, name: NodeJS.Signals): void {
  try {
    process.kill(-process_.pid, name);
  } catch {
    // It leads no group.
    signal(process_, name);
  }
}
