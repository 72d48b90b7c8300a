import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type DataFolder } from './data-folder.js';
import { type ProcessIdentity, signal, waitForEnd } from './process-identity.js';
import { endWithThisProcess } from './reaper.js';

export interface ServerSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The user to run as, when not our own. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** What asks it to end in good order. */
  readonly stopSignal: NodeJS.Signals;
  /** Resolves when it answers, rejects while it does not. */
  readonly ping: () => Promise<void>;
}

const startTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;

/**
 * A free port of 127.0.0.1, which no other process that asks here is given while this one lives. None of those that systems
 * give to outgoing connections (on Linux from 32768, elsewhere from 49152): one of them could take it before its server does.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(16_384, 32_768);
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
}

/** By its UDP twin, which is in no TCP server's way. */
async function reserve(port: number): Promise<boolean> {
  const socket = createSocket('udp4').unref();
  try {
    socket.bind({ port, address: '127.0.0.1', exclusive: true });
    await once(socket, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** One server on this machine, its output in a log beside its data. */
export class ServerProcess {
  private current?: ProcessIdentity;

  constructor(
    private readonly folder: DataFolder,
    private readonly spec: ServerSpec,
  ) {}

  /** @throws {Error} with the end of the log when the server does not come up. */
  async start(): Promise<void> {
    const child = this.spawn();
    let failure: string | undefined;
    child.once('error', (error) => (failure = error.message));
    child.once('exit', (code, name) => (failure = `it ended with ${name ?? `code ${code}`}`));
    // When it has ended already, 'exit' says how.
    if (child.pid !== undefined) this.current = this.folder.adopt(child.pid) ?? this.current;
    endWithThisProcess(child.pid, this.spec.stopSignal);
    const deadline = performance.now() + startTimeoutMs;
    for (;;) {
      if (failure !== undefined) throw this.startError(failure);
      if (await answers(this.spec.ping)) return;
      if (performance.now() > deadline) {
        await this.kill();
        throw this.startError(`it did not answer within ${startTimeoutMs / 1000} s`);
      }
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  }

  async stop(): Promise<void> {
    if (!this.current) return;
    signal(this.current, this.spec.stopSignal);
    if (!(await waitForEnd(this.current, stopTimeoutMs))) await this.kill();
  }

  /** Ends it without warning, as a crash would. */
  async kill(): Promise<void> {
    if (!this.current) return;
    signal(this.current, 'SIGKILL');
    if (!(await waitForEnd(this.current, stopTimeoutMs))) throw new Error(`${this.spec.name} does not end.`);
  }

  private spawn(): ChildProcess {
    const { command, args, cwd, env, user } = this.spec;
    const log = openSync(this.logFile, 'a', 0o600);
    try {
      // Detached: Ctrl-C in a terminal signals the whole group, and the service must drain before its stores go.
      const child = spawn(command, args, { cwd, env, ...user, detached: true, stdio: ['ignore', log, log] });
      child.unref();
      return child;
    } finally {
      closeSync(log);
    }
  }

  private get logFile(): string {
    return join(this.folder.path, `${this.spec.name}.log`);
  }

  private startError(reason: string): Error {
    const tail = readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
    return new Error(`${this.spec.name} did not start: ${reason}. The end of ${this.logFile}:\n${tail}`);
  }
}

async function answers(ping: () => Promise<void>): Promise<boolean> {
  try {
    await ping();
    return true;
  } catch {
    return false;
  }
}
