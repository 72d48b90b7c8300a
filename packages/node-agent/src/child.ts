import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { commandEnvironment } from './command.js';

/**
 * A program that runs as long as this process wants it to. What it prints is dropped, where nobody reads its lines: it may
 * speak of peers and of names that were asked for.
 */
export class Child {
  readonly #process: ChildProcess;
  /** Resolves when it has ended, or could not be started. */
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

  /** Asks it to end, and insists after five seconds. */
  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    const insist = setTimeout(() => this.#process.kill('SIGKILL'), 5_000);
    await this.ended;
    clearTimeout(insist);
  }
}
