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
 * The small helper for what must happen now and then on one side: key rotation, sweeps, purges. Every replica ticks; an
 * advisory lock lets one of them run. A failed run is logged and counted, and the next tick tries again: jobs are idempotent.
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

  /** Registers a job; it runs once a process serves, then every so many seconds. Modules declare theirs by `maintenanceJobs`. */
  every(name: string, seconds: number, run: () => Promise<void>): void {
    if (this.jobs.has(name)) throw new Error(`maintenance job ${name} is registered twice`);
    this.jobs.set(name, { name, seconds, run });
  }

  /** Runs one job now. Rejects when the job does; resolves to false when another replica is at it. */
  async runOnce(name: string): Promise<boolean> {
    const job = this.jobs.get(name);
    if (job === undefined) throw new Error(`no maintenance job is called ${name}`);
    return this.exclusively(name, this.clock.now(), job.run);
  }

  /** One after another: each holds a connection for its lock and takes another for its work, of the few there are. */
  private async start(): Promise<void> {
    for (const job of this.jobs.values()) {
      if (this.stopped) return;
      // With jitter, so that replicas started together do not all ask at once.
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

/** Says that a service does something every so many seconds, on one replica at a time. */
export function every<Service>(
  seconds: number,
  name: string,
  service: Type<Service>,
  run: (service: Service) => Promise<unknown>,
): MaintenanceJob {
  return { name, seconds, service, run: (given) => run(given as Service) };
}

/** For a module's `providers`: what it has done by the clock. */
export function maintenanceJobs(maintenance: Type<Maintenance>, ...jobs: readonly MaintenanceJob[]): Provider[] {
  return jobs.map(({ name, seconds, service, run }) => ({
    // A symbol: with equal names one of two would replace the other, and neither be refused.
    provide: Symbol(name),
    inject: [maintenance, service],
    useFactory: (registry: Maintenance, worker: unknown) => {
      registry.every(name, seconds, async () => void (await run(worker)));
      return name;
    },
  }));
}
