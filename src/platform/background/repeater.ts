import { type BackgroundWork } from './background.js';

export interface RepeaterOptions {
  /** Wait from the end of a run to the start of the next. A function is called for each wait, for jitter or a time of day. */
  readonly waitMs: number | ((hasFailed: boolean) => number);
  readonly run: () => Promise<void> | void;
  /** Called for the first of several failures in a row. */
  readonly onFailure?: (error: unknown) => void;
  /** Runs once inside `start`, which waits for that run. Otherwise the first run comes after a wait. */
  readonly atStart?: boolean;
}

/**
 * Repeats a task. A run starts some time after the last one ended, so runs never overlap. A failure does not end the repetition.
 * Everything that a process repeats uses this class: work for itself directly, work for all replicas through `Maintenance`.
 */
export class Repeater implements BackgroundWork {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;
  private hasFailed = false;

  constructor(private readonly options: RepeaterOptions) {}

  async start(): Promise<void> {
    if (this.options.atStart !== true) return this.schedule();
    this.running = this.run();
    await this.running;
  }

  /** Resolves once a running task has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private schedule(): void {
    const { waitMs } = this.options;
    const wait = typeof waitMs === 'number' ? waitMs : waitMs(this.hasFailed);
    this.timer = setTimeout(() => {
      this.running = this.run();
    }, wait).unref();
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    try {
      await this.options.run();
      this.hasFailed = false;
    } catch (error) {
      if (!this.hasFailed) this.options.onFailure?.(error);
      this.hasFailed = true;
    }
    if (!this.stopped) this.schedule();
  }
}
