import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';

export interface BackgroundWork {
  /** Called once, when the process begins to serve; a rejection stops the boot. */
  start(): Promise<void> | void;
  /** Called once when the process begins to leave, while running requests still end: close what never ends by itself. */
  drain?(): Promise<void> | void;
  /** Called once after the last request, before the connections to the stores close. */
  stop?(): Promise<void> | void;
}

/**
 * What runs beside requests: connections, snapshots, maintenance. It runs only in a process that serves: the operator's command
 * and most tests use the same services without it.
 */
@Injectable()
export class Background implements BeforeApplicationShutdown {
  private readonly work: BackgroundWork[] = [];
  private started: BackgroundWork[] = [];

  add(work: BackgroundWork): void {
    this.work.push(work);
  }

  /** Starts everything in the order it was added, so that a store is connected before what reads it. */
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
