import { type BackgroundWork } from './background.js';

export interface Repeated {
  /** From the end of a run to the beginning of the next; asked each time when it is a function, for jitter or a time of day. */
  readonly waitMs: number | ((hasFailed: boolean) => number);
  readonly run: () => Promise<void> | void;
  /** Called for the first of failures in a row. */
  readonly onFailure?: (error: unknown) => void;
  /** Runs when it is started, and `start` waits for that run. Otherwise the first run comes after a wait. */
  readonly atStart?: boolean;
}

/**
 * Does something again and again. A run begins some time after the last one ended, so none overlaps another; a failure does
 * not end it. The one mechanism for whatever a process repeats, whether for itself or, by `Maintenance`, for all replicas.
 */
export class Repeater implements BackgroundWork {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;
  private hasFailed = false;

  constructor(private readonly repeated: Repeated) {}

  async start(): Promise<void> {
    if (this.repeated.atStart !== true) return this.schedule();
    this.running = this.run();
    await this.running;
  }

  /** Resolves once the run that is under way has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private schedule(): void {
    const { waitMs } = this.repeated;
    const wait = typeof waitMs === 'number' ? waitMs : waitMs(this.hasFailed);
    this.timer = setTimeout(() => {
      this.running = this.run();
    }, wait).unref();
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    try {
      await this.repeated.run();
      this.hasFailed = false;
    } catch (error) {
      if (!this.hasFailed) this.repeated.onFailure?.(error);
      this.hasFailed = true;
    }
    if (!this.stopped) this.schedule();
  }
}
