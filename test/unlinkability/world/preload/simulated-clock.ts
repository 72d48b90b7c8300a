import { AsyncLocalStorage } from 'node:async_hooks';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { isMainThread } from 'node:worker_threads';
import { writeHeapSnapshot } from 'node:v8';

/*
 * Preloaded into a process of the service (`node --import`), so that days pass in seconds. Node runs this file directly, so it
 * imports only packages. It does three things:
 *
 *   - `Date` is ahead of the machine's clock by an offset that the world sets.
 *   - Timers of the service's own code run when the clock has jumped past them, as they would have in the meantime. Timers of
 *     libraries stay real: they are about sockets, and about PostgreSQL's clock, which does not jump.
 *   - A loopback port takes the world's commands, one JSON text a line, and answers each one when it is done.
 */

/** What the world asks for; one member each. */
export type Command =
  | { readonly offsetMs: number }
  /** Runs the timers that are due, and waits until their work has ended. */
  | { readonly runDueTimers: true }
  /** Writes a heap snapshot to this file. */
  | { readonly heapFile: string };

/** The environment of a process that this file is preloaded into. */
export interface ClockEnvironment {
  readonly WORLD_CLOCK_OFFSET_MS: string;
  readonly WORLD_CONTROL_PORT: string;
}

let offsetMs = Number(process.env['WORLD_CLOCK_OFFSET_MS']);

function moveDate(): void {
  const MachineDate = Date;
  const machineNow = Date.now.bind(Date);
  const now = () => machineNow() + offsetMs;
  const MovedDate = new Proxy(MachineDate, {
    construct: (target, args: unknown[], newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as object,
    apply: () => new MachineDate(now()).toString(),
  });
  MachineDate.now = now;
  MachineDate.prototype.constructor = MovedDate;
  globalThis.Date = MovedDate;
}

/** Shorter timers are for pauses within a request, and run in real time. */
const minDelayMs = 1_000;

/** How long to wait for the work of a timer, which may start no timer again. Long, because a job may wait on a busy machine. */
const maxWorkMs = 5_000;

/** Each maintenance job takes two of the pool's ten connections. */
const parallelTimers = 4;

/** The work of one timer. A repeater starts its timer again when its work has ended. */
interface Work {
  ended: () => void;
}

const working = new AsyncLocalStorage<Work>();
const pending = new Map<NodeJS.Timeout, { readonly dueAt: number; readonly run: () => void }>();

const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;

/** The file that called a function. Cheap, because libraries set a timer for each of their queries. */
function callerOf(callee: (...args: never[]) => unknown): string {
  const former = {
    stackTraceLimit: Error.stackTraceLimit,
    prepareStackTrace: Reflect.get(Error, 'prepareStackTrace') as unknown,
  };
  Error.stackTraceLimit = 1;
  Error.prepareStackTrace = (_, [site]) => site?.getFileName() ?? '';
  const at: { stack?: string } = {};
  Error.captureStackTrace(at, callee);
  const file = at.stack ?? '';
  Object.assign(Error, former);
  return file;
}

function recordTimers(): void {
  const setTimer = (callback: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]): NodeJS.Timeout => {
    const caller = delayMs < minDelayMs ? '' : callerOf(setTimer);
    const isOwn = caller.includes('/dist/src/') && !caller.includes('/node_modules/');
    if (!isOwn) return realSetTimeout(callback, delayMs, ...args);
    if (caller.includes('/background/repeater.')) working.getStore()?.ended();
    const run = () => {
      pending.delete(timer);
      realClearTimeout(timer);
      callback(...args);
    };
    const timer = realSetTimeout(run, delayMs);
    pending.set(timer, { dueAt: Date.now() + delayMs, run });
    return timer;
  };
  const replacement: unknown = Object.defineProperties(setTimer, symbolsOf(realSetTimeout));
  globalThis.setTimeout = replacement as typeof setTimeout;
  globalThis.clearTimeout = (timer) => {
    pending.delete(timer as NodeJS.Timeout);
    realClearTimeout(timer);
  };
}

/** `util.promisify(setTimeout)` finds its implementation under a symbol. */
function symbolsOf(of: object): PropertyDescriptorMap {
  const all: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(of);
  return Object.fromEntries(Object.getOwnPropertySymbols(of).map((symbol) => [symbol, all[symbol] ?? {}]));
}

async function runDueTimers(): Promise<void> {
  const now = Date.now();
  const due = [...pending.values()].filter(({ dueAt }) => dueAt <= now).sort((a, b) => a.dueAt - b.dueAt);
  const next = async (): Promise<void> => {
    for (let timer = due.shift(); timer !== undefined; timer = due.shift()) await workOf(timer.run);
  };
  await Promise.all(Array.from({ length: parallelTimers }, next));
}

async function workOf(run: () => void): Promise<void> {
  await new Promise<void>((resolve) => {
    const limit = realSetTimeout(resolve, maxWorkMs);
    const ended = () => {
      realClearTimeout(limit);
      resolve();
    };
    working.run({ ended }, run);
  });
}

async function execute(command: Command): Promise<void> {
  if ('offsetMs' in command) offsetMs = command.offsetMs;
  else if ('runDueTimers' in command) await runDueTimers();
  else writeHeapSnapshot(command.heapFile, { exposeNumericValues: true });
}

function listen(): void {
  const server = createServer((socket) => {
    socket.setNoDelay(true).on('error', () => socket.destroy());
    let last = Promise.resolve();
    createInterface({ input: socket }).on('line', (line) => {
      last = last.then(() => execute(JSON.parse(line) as Command)).then(() => void socket.write('\n'));
    });
  });
  server.listen(Number(process.env['WORLD_CONTROL_PORT']), '127.0.0.1').unref();
}

if (isMainThread) {
  moveDate();
  recordTimers();
  listen();
}
