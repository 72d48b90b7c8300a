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
  /** The user to run as; the current one when absent. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** The signal for a clean shutdown. */
  readonly stopSignal: NodeJS.Signals;
  /** Resolves when the server responds; rejects while it does not. */
  readonly ping: () => Promise<void>;
}

const startTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;

/**
 * Returns a free port of 127.0.0.1. Until this process ends, no other process gets it from this function. It is below the ports
 * for outgoing connections (on Linux from 32768, elsewhere from 49152): such a connection could take it before the server does.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(16_384, 32_768);
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
}

/** Reserves a port by binding its UDP port, which no TCP server needs. */
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

/** One server process, with its output in a log file in the data folder. */
export class ServerProcess {
  private current?: ProcessIdentity;

  constructor(
    private readonly folder: DataFolder,
    private readonly spec: ServerSpec,
  ) {}

  /** @throws {Error} with the end of the log when the server does not start */
  async start(): Promise<void> {
    const child = this.spawn();
    let failure: string | undefined;
    child.once('error', (error) => (failure = error.message));
    child.once('exit', (code, name) => (failure = `it ended with ${name ?? `code ${code}`}`));
    // If it has already ended, 'exit' reports the reason.
    if (child.pid !== undefined) this.current = this.folder.adopt(child.pid) ?? this.current;
    endWithThisProcess(child.pid, this.spec.stopSignal);
    const deadline = performance.now() + startTimeoutMs;
    for (;;) {
      if (failure !== undefined) throw this.startError(failure);
      if (await isResponding(this.spec.ping)) return;
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

  /** Ends it without warning, like a crash. */
  async kill(): Promise<void> {
    if (!this.current) return;
    signal(this.current, 'SIGKILL');
    if (!(await waitForEnd(this.current, stopTimeoutMs)))
      throw new Error(`${this.spec.name} did not end within ${stopTimeoutMs / 1000} s after SIGKILL.`);
  }

  private spawn(): ChildProcess {
    const { command, args, cwd, env, user } = this.spec;
    const log = openSync(this.logFile, 'a', 0o600);
    try {
      // Detached, because Ctrl-C in a terminal signals the whole process group, and the service must drain before its stores end.
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

async function isResponding(ping: () => Promise<void>): Promise<boolean> {
  try {
    await ping();
    return true;
  } catch {
    return false;
  }
}
