import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { commandEnvironment } from './command.js';

/**
 * A long-running program. Its output is discarded unless `onLine` reads it, because it may name peers and the domains that
 * they looked up.
 */
export class Child {
  readonly #process: ChildProcess;
  /** Resolves when the program has ended, or could not be started. */
  readonly ended: Promise<void>;
  #running = true;

  constructor(program: string, args: readonly string[], onLine?: (line: string) => void) {
    const output = onLine === undefined ? 'ignore' : 'pipe';
    this.#process = spawn(program, args, { env: commandEnvironment, stdio: ['ignore', output, 'ignore'] });
    if (onLine && this.#process.stdout) createInterface(this.#process.stdout).on('line', onLine);
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.#running = false;
        resolve();
      };
      this.#process.once('exit', end);
      this.#process.once('error', end);
    });
  }

  get running(): boolean {
    return this.#running;
  }

  /** Sends SIGTERM, and SIGKILL after five seconds. Resolves when the program has ended. */
  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    const killTimer = setTimeout(() => this.#process.kill('SIGKILL'), 5_000);
    await this.ended;
    clearTimeout(killTimer);
  }
}
