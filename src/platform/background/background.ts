import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';

export interface BackgroundWork {
  /** Called once when the process starts to serve. A rejection stops the start. */
  start(): Promise<void> | void;
  /** Called once at shutdown, while running requests finish. Close here what never ends by itself, such as streams. */
  drain?(): Promise<void> | void;
  /** Called once after the last request, before the connections to the stores close. */
  stop?(): Promise<void> | void;
}

/**
 * Work that runs beside requests: store connections, snapshots, maintenance. It runs only in a process that serves. The
 * operator's command and most tests use the same services without it.
 */
@Injectable()
export class Background implements BeforeApplicationShutdown {
  private readonly work: BackgroundWork[] = [];
  private started: BackgroundWork[] = [];

  add(work: BackgroundWork): void {
    this.work.push(work);
  }

  /** Starts everything in the order of `add`, so that a store is connected before other work reads it. */
  async start(): Promise<void> {
    for (const work of this.work) {
      this.started.push(work);
      await work.start();
    }
  }

  async beforeApplicationShutdown(): Promise<void> {
    for (const work of this.started) await work.drain?.();
  }

  async stop(): Promise<void> {
    const started = this.started.reverse();
    this.started = [];
    for (const work of started) await work.stop?.();
  }
}
