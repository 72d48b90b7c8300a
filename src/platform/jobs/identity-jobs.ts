import { EventEmitter, once } from 'node:events';
import { Inject, Injectable } from '@nestjs/common';
import {
  type CronItem,
  Logger,
  parseCronItems,
  run,
  type Runner,
  type TaskList,
  type WorkerEvents,
  type WorkerPool,
} from 'graphile-worker';
import pg from 'pg';
import { Counter } from 'prom-client';
import { GatekeeperLogger } from '../../logger/index.js';
import { IdentityPrisma, jobsSchema, Prisma } from '../../prisma/identity/index.js';
import { Background } from '../background/index.js';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../config/index.js';
import { jobForEach, jobs } from './add-jobs.js';

const failures = new Counter({
  name: 'jobs_failed_total',
  help: 'Failed runs of jobs, by task. A job is retried with growing delays; its 25th failure is permanent.',
  labelNames: ['task', 'permanent'],
});

/** Jobs run at once in one process. Most of them wait for a provider. */
const concurrency = 16;

const restartMs = 5_000;

/** The jobs of a dead worker go to another worker within this time. */
export const deadWorkersSeconds = 10;

/** A machine that vanishes closes no connection. With these, PostgreSQL notices; the default of Linux takes two hours. */
const setKeepalives = `SET tcp_keepalives_idle = ${deadWorkersSeconds}; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`;

/** The gatekeeper's job queue, on graphile-worker. Every job may run more than once. */
@Injectable()
export class IdentityJobs {
  private readonly tasks: TaskList = {};
  private readonly crontab: CronItem[] = [];
  private readonly pool: pg.Pool;
  private runner: Runner | undefined;
  private restart: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    @Inject(GATEKEEPER_CONFIG) config: GatekeeperConfig,
    private readonly prisma: IdentityPrisma,
    private readonly logger: GatekeeperLogger,
    background: Background,
  ) {
    this.pool = new pg.Pool({ connectionString: config.databaseUrl, max: 8, application_name: 'identity-jobs' });
    this.pool.on('error', () => {});
    this.pool.on('connect', (client) => client.on('error', () => {}));
    background.add({
      // The process starts even when the database does not answer.
      start: () => (config.worker === 'inside' ? this.startWorker().catch(() => this.restartWorker()) : undefined),
      stop: () => this.stop(),
    });
  }

  /**
   * Registers the handler of a task. A job whose handler throws is retried, with growing delays.
   *
   * @param work gets the payload, and the number of the attempt, from 1; a job that is added again under its key restarts at 1
   */
  handle(task: string, work: (payload: unknown, attempt: number) => Promise<void>): void {
    if (this.tasks[task] !== undefined) throw new Error(`the task ${task} has two handlers`);
    this.tasks[task] = async (payload, { job }) => {
      const failure = await work(payload, job.attempts).then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      if (failure === undefined) return;
      const permanent = job.attempts >= job.max_attempts;
      failures.inc({ task, permanent: String(permanent) });
      this.logger.error(permanent ? 'job_failed_permanently' : 'job_failed', failure.error, { job: task });
      // graphile-worker stores the thrown message beside the job, and the original may quote anything.
      throw new Error(failure.error instanceof Error ? failure.error.name : 'unknown error');
    };
  }

  /** Adds a job of this task on a schedule, once for all workers. @param match a cron pattern, in UTC */
  every(match: string, task: string): void {
    this.crontab.push({ match, task, options: { jobKey: task, backfillPeriod: 0 } });
  }

  /**
   * Adds those of the jobs that are neither waiting nor running: they failed permanently, or lost a race with the job before.
   *
   * @param due a query as `jobForEach` takes it, of all jobs that should exist; one call adds at most a thousand
   * @returns how many were added
   */
  async requeueMissing(due: Prisma.Sql): Promise<number> {
    const [row] = await this.prisma.$queryRaw<[{ jobs: number }]>(
      jobForEach(Prisma.sql`
        SELECT * FROM (${due}) due
        WHERE NOT EXISTS (SELECT FROM ${jobs}._private_jobs j WHERE j.key = due.key AND j.attempts < j.max_attempts)
        LIMIT 1000`),
    );
    return row.jobs;
  }

  /**
   * Limits how long a failed job of these tasks waits for its next attempt; graphile-worker alone would let it wait for hours.
   * The attempts are spread over that time.
   */
  async capBackoff(tasks: readonly string[], seconds: number): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE ${jobs}._private_jobs SET run_at = now() + make_interval(secs => ${seconds}::float8 * random())
      WHERE run_at > now() + make_interval(secs => ${seconds}::float8) AND attempts < max_attempts AND locked_at IS NULL
        AND task_id IN (SELECT id FROM ${jobs}._private_tasks WHERE identifier = ANY (${tasks}::text[]))`;
  }

  /**
   * Runs jobs until the process shuts down. The worker ends by itself when the database does not answer, and is restarted.
   *
   * A running job is locked by its worker. An advisory lock of the worker's session shows that the worker is alive, so the jobs
   * of a killed worker are released within seconds. graphile-worker alone would wait four hours.
   */
  private async startWorker(): Promise<void> {
    const session = await this.pool.connect();
    try {
      const events: WorkerEvents = new EventEmitter();
      const name = once(events, 'pool:create').then(([{ workerPool }]) => (workerPool as WorkerPool).id);
      this.runner = await run({
        pgPool: this.pool,
        schema: jobsSchema,
        taskList: this.tasks,
        parsedCronItems: parseCronItems(this.crontab),
        concurrency,
        noHandleSignals: true,
        events,
        logger: new Logger(() => () => {}),
      });
      // A rejection is handled below; this keeps it from being unhandled when an error comes before.
      this.runner.promise.catch(() => {});
      session.once('error', () => void this.runner?.stop().catch(() => {}));
      await session.query(setKeepalives);
      await session.query(`SELECT pg_advisory_lock(hashtext('identity-worker'), hashtext($1))`, [await name]);
    } catch (error) {
      // A worker without the lock would look dead, so it must not run jobs.
      await this.runner?.stop().catch(() => {});
      await this.runner?.promise.catch(() => {});
      session.release(true);
      throw error;
    }
    // `stop` may have run while there was no runner yet.
    if (this.stopped) void this.runner.stop().catch(() => {});
    void this.runner.promise
      .catch(() => {})
      .then(() => session.release(true))
      .then(() => this.restartWorker());
  }

  private restartWorker(): void {
    this.runner = undefined;
    if (this.stopped) return;
    this.logger.warn('worker_ended', { seconds: restartMs / 1000 });
    this.restart = setTimeout(() => void this.startWorker().catch(() => this.restartWorker()), restartMs).unref();
  }

  private async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.restart);
    await this.runner?.stop().catch(() => {});
    await this.pool.end();
  }

  /** Uses the database's clock, as graphile-worker does. The 10 seconds cover a worker that does not hold its lock yet. */
  async releaseJobsOfDeadWorkers(): Promise<void> {
    await this.prisma.$executeRaw`
      SELECT ${jobs}.force_unlock_workers(array_agg(name)) FROM (
        SELECT DISTINCT locked_by AS name FROM ${jobs}._private_jobs WHERE locked_at < now() - interval '10 seconds'
      ) workers WHERE pg_try_advisory_xact_lock(hashtext('identity-worker'), hashtext(name))`;
  }

  /** Deletes jobs that failed permanently. The reason for a job is in its module's own tables, which can requeue it. */
  async purgeFailed(): Promise<void> {
    await this.prisma.$executeRaw`
      DELETE FROM ${jobs}._private_jobs
      WHERE attempts >= max_attempts AND locked_at IS NULL AND updated_at < now() - interval '1 day'`;
  }
}
