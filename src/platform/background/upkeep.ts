import { type SideLogger } from '../../logger/index.js';
import { type Clock } from '../config/index.js';
import { type Background } from './background.js';
import { Counter } from 'prom-client';

const failures = new Counter({
  name: 'upkeep_failures_total',
  help: 'Upkeep runs that failed, by job.',
  labelNames: ['job'],
});

interface Job {
  readonly name: string;
  readonly seconds: number;
  readonly run: () => Promise<void>;
}

/** Runs `work` only if no other replica runs it; resolves to whether it ran. */
export type Exclusively = (name: string, at: Date, work: () => Promise<void>) => Promise<boolean>;

/**
 * The small helper for what must happen now and then on one side: key rotation, sweeps, purges. Every replica ticks; an
 * advisory lock lets one of them run. A failed run is logged and counted, and the next tick tries again: jobs are idempotent.
 */
export class Upkeep {
  private readonly jobs = new Map<string, Job>();
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly running = new Set<Promise<void>>();
  private stopped = false;

  constructor(
    private readonly exclusively: Exclusively,
    private readonly clock: Clock,
    private readonly logger: SideLogger,
    background: Background,
  ) {
    background.add({ start: () => this.start(), stop: () => this.stop() });
  }

  /** Registers a job; it runs once a process serves, then every so many seconds. */
  every(name: string, seconds: number, run: () => Promise<void>): void {
    if (this.jobs.has(name)) throw new Error(`upkeep job ${name} is registered twice`);
    this.jobs.set(name, { name, seconds, run });
  }

  /** Runs one job now. Rejects when the job does; resolves to false when another replica is at it. */
  async runOnce(name: string): Promise<boolean> {
    const job = this.jobs.get(name);
    if (job === undefined) throw new Error(`no upkeep job is called ${name}`);
    return this.exclusively(name, this.clock.now(), job.run);
  }

  /** One after another: each holds a connection for its lock and takes another for its work, of the few there are. */
  private start(): void {
    const first = async () => {
      for (const job of this.jobs.values()) if (!this.stopped) await this.tick(job);
    };
    void first();
  }

  private async stop(): Promise<void> {
    this.stopped = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    await Promise.all(this.running);
  }

  /** Never rejects. */
  private tick(job: Job): Promise<void> {
    const run = this.runOnce(job.name)
      .then(
        () => undefined,
        (error: unknown) => this.failed(job, error),
      )
      .then(() => this.scheduleNext(job));
    this.running.add(run);
    return run.finally(() => this.running.delete(run));
  }

  /** With jitter, so that replicas started together do not all ask at once. */
  private scheduleNext(job: Job): void {
    if (this.stopped) return;
    const delay = job.seconds * 1000 * (0.9 + 0.2 * Math.random());
    this.timers.set(job.name, setTimeout(() => void this.tick(job), delay).unref());
  }

  private failed(job: Job, error: unknown): void {
    failures.inc({ job: job.name });
    this.logger.error('upkeep_failed', error, { job: job.name });
  }
}
