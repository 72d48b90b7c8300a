import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type Command } from './preload/simulated-clock.js';

/** Commands a process that `preload/simulated-clock.ts` is loaded into. Each method resolves when the process has done it. */
export class Control {
  private readonly waiting: PromiseWithResolvers<void>[] = [];

  private constructor(private readonly socket: Socket) {
    createInterface({ input: socket }).on('line', () => this.waiting.shift()?.resolve());
    socket.on('close', () => {
      for (const { reject } of this.waiting.splice(0)) reject(new Error('The process ended before it had answered.'));
    });
  }

  static async connect(port: number): Promise<Control> {
    const socket = connect(port, '127.0.0.1').setNoDelay(true);
    await once(socket, 'connect');
    // The process may end before the world stops.
    socket.on('error', () => socket.destroy());
    return new Control(socket);
  }

  async setOffset(offsetMs: number): Promise<void> {
    await this.send({ offsetMs });
  }

  /** Runs the maintenance jobs and all other timers that the clock has jumped past. */
  async runDueTimers(): Promise<void> {
    await this.send({ runDueTimers: true });
  }

  async writeHeap(heapFile: string): Promise<void> {
    await this.send({ heapFile });
  }

  close(): void {
    this.socket.destroy();
  }

  private async send(command: Command): Promise<void> {
    if (this.socket.destroyed) throw new Error('The process has ended.');
    const answer = Promise.withResolvers<void>();
    this.waiting.push(answer);
    this.socket.write(`${JSON.stringify(command)}\n`);
    await answer.promise;
  }
}
