import { type Provider, type Type } from '@nestjs/common';
import { Counter } from 'prom-client';
import { type SideLogger } from '../../logger/index.js';
import { type Clock } from '../config/index.js';
import { type Background } from './background.js';
import { Repeater } from './repeater.js';

const failures = new Counter({
  name: 'maintenance_failures_total',
  help: 'Maintenance runs that failed, by job.',
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
 * The maintenance jobs of one side: key rotation, sweeps, purges. Every replica has a timer for each job, and an advisory lock
 * lets one replica run it. A failed run is logged and counted. The next run retries it, because jobs are idempotent.
 */
export class Maintenance {
  private readonly jobs = new Map<string, Job>();
  private readonly repeaters: Repeater[] = [];
  private stopped = false;

  constructor(
    private readonly exclusively: Exclusively,
    private readonly clock: Clock,
    private readonly logger: SideLogger,
    background: Background,
  ) {
    background.add({ start: () => void this.start(), stop: () => this.stop() });
  }

  /** Registers a job that runs when the process starts to serve, then every `seconds`. Modules use `maintenanceJobs`. */
  every(name: string, seconds: number, run: () => Promise<void>): void {
    if (this.jobs.has(name)) throw new Error(`maintenance job ${name} is registered twice`);
    this.jobs.set(name, { name, seconds, run });
  }

  /** Runs one job now. Rejects when the job does; resolves to false when another replica is running it. */
  async runOnce(name: string): Promise<boolean> {
    const job = this.jobs.get(name);
    if (job === undefined) throw new Error(`no maintenance job is called ${name}`);
    return this.exclusively(name, this.clock.now(), job.run);
  }

  /** Starts the jobs one after another: each needs two pooled connections, one for its lock and one for its work. */
  private async start(): Promise<void> {
    for (const job of this.jobs.values()) {
      if (this.stopped) return;
      // Jitter keeps replicas that started together from running at the same moment.
      const waitMs = () => job.seconds * 1000 * (0.9 + 0.2 * Math.random());
      const repeater = new Repeater({ waitMs, run: () => this.tryToRun(job), atStart: true });
      this.repeaters.push(repeater);
      await repeater.start();
    }
  }

  private async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.repeaters.map((repeater) => repeater.stop()));
  }

  private async tryToRun({ name }: Job): Promise<void> {
    await this.runOnce(name).catch((error: unknown) => {
      failures.inc({ job: name });
      this.logger.error('maintenance_failed', error, { job: name });
    });
  }
}

/** A maintenance job, with the service that does it. */
export interface MaintenanceJob<Service = unknown> {
  readonly name: string;
  readonly seconds: number;
  readonly service: Type<Service>;
  readonly run: (service: Service) => Promise<unknown>;
}

/** Declares a maintenance job: a service method that runs every `seconds`, on one replica at a time. */
export function every<Service>(
  seconds: number,
  name: string,
  service: Type<Service>,
  run: (service: Service) => Promise<unknown>,
): MaintenanceJob {
  return { name, seconds, service, run: (given) => run(given as Service) };
}

/** For a module's `providers`: its maintenance jobs. */
export function maintenanceJobs(maintenance: Type<Maintenance>, ...jobs: readonly MaintenanceJob[]): Provider[] {
  return jobs.map(({ name, seconds, service, run }) => ({
    // A symbol, because Nest silently replaces a provider by a second one with an equal string token.
    provide: Symbol(name),
    inject: [maintenance, service],
    useFactory: (registry: Maintenance, worker: unknown) => {
      registry.every(name, seconds, async () => void (await run(worker)));
      return name;
    },
  }));
}
