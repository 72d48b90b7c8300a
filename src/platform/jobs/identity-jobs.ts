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
  help: 'Runs of jobs that failed, by task. A job is tried again, later each time, and given up after 25 runs.',
  labelNames: ['task', 'given_up'],
});

/** Jobs wait for providers more than for us. */
const atOnce = 16;

const restartMs = 5_000;

/** A worker that died is noticed within this time, and its jobs go to another. */
export const deadWorkersSeconds = 10;

/** A machine that vanishes closes no connection: PostgreSQL itself must notice, where Linux would take two hours. */
const noticeSilence = `SET tcp_keepalives_idle = ${deadWorkersSeconds}; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`;

/** Work that is left to the gatekeeper's workers, with graphile-worker. Every job may run more than once. */
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
      // A database that is away keeps no process from starting.
      start: () => (config.worker === 'inside' ? this.work().catch(() => this.workAgain()) : undefined),
      stop: () => this.stop(),
    });
  }

  /**
   * What does the jobs of a task. Whatever it throws is tried again, later each time.
   *
   * @param work is told which attempt of the job it is, from 1; a job that is added again under its key begins anew
   */
  handle(task: string, work: (payload: unknown, attempt: number) => Promise<void>): void {
    if (this.tasks[task] !== undefined) throw new Error(`jobs of the task ${task} are handled twice`);
    this.tasks[task] = async (payload, { job }) => {
      const failure = await work(payload, job.attempts).then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      if (failure === undefined) return;
      const givenUp = job.attempts >= job.max_attempts;
      failures.inc({ task, given_up: String(givenUp) });
      this.logger.error(givenUp ? 'job_given_up' : 'job_failed', failure.error, { job: task });
      // What is thrown is stored beside the job, and the message of an error may quote anything.
      throw new Error(failure.error instanceof Error ? failure.error.name : 'unknown error');
    };
  }

  /** Adds a job of this task by the clock, once for all workers. @param match a cron pattern, in UTC */
  every(match: string, task: string): void {
    this.crontab.push({ match, task, options: { jobKey: task, backfillPeriod: 0 } });
  }

  /**
   * Adds each of these jobs that is not waiting or running: it was given up, or came to nothing in a race with the one before.
   *
   * @param due a query as `jobForEach` takes it, of what should have a job; at most a thousand are added at once
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
   * Lets no job of these tasks that failed wait longer than this for its next try, where graphile-worker alone would let it
   * wait for hours. They come one after another, not all at once.
   */
  async capBackoff(tasks: readonly string[], seconds: number): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE ${jobs}._private_jobs SET run_at = now() + make_interval(secs => ${seconds}::float8 * random())
      WHERE run_at > now() + make_interval(secs => ${seconds}::float8) AND attempts < max_attempts AND locked_at IS NULL
        AND task_id IN (SELECT id FROM ${jobs}._private_tasks WHERE identifier = ANY (${tasks}::text[]))`;
  }

  /**
   * Works jobs until the process leaves. The worker ends by itself when the database goes away, and is started again.
   *
   * A job that is being done is locked by its worker. That the worker lives is said by a lock that its session holds, so a
   * killed worker's jobs are found within seconds, where graphile-worker alone would wait four hours.
   */
  private async work(): Promise<void> {
    const session = await this.pool.connect();
    try {
      const events: WorkerEvents = new EventEmitter();
      const name = once(events, 'pool:create').then(([{ workerPool }]) => (workerPool as WorkerPool).id);
      this.runner = await run({
        pgPool: this.pool,
        schema: jobsSchema,
        taskList: this.tasks,
        parsedCronItems: parseCronItems(this.crontab),
        concurrency: atOnce,
        noHandleSignals: true,
        events,
        logger: new Logger(() => () => {}),
      });
      // How it ends is asked for below, where nobody may come.
      this.runner.promise.catch(() => {});
      session.once('error', () => void this.runner?.stop().catch(() => {}));
      await session.query(noticeSilence);
      await session.query(`SELECT pg_advisory_lock(hashtext('identity-worker'), hashtext($1))`, [await name]);
    } catch (error) {
      // One of whom nobody knows that it lives must do no jobs.
      await this.runner?.stop().catch(() => {});
      await this.runner?.promise.catch(() => {});
      session.release(true);
      throw error;
    }
    // Whoever stopped this process meanwhile found no runner yet.
    if (this.stopped) void this.runner.stop().catch(() => {});
    void this.runner.promise
      .catch(() => {})
      .then(() => session.release(true))
      .then(() => this.workAgain());
  }

  private workAgain(): void {
    this.runner = undefined;
    if (this.stopped) return;
    this.logger.warn('worker_ended', { seconds: restartMs / 1000 });
    this.restart = setTimeout(() => void this.work().catch(() => this.workAgain()), restartMs).unref();
  }

  private async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.restart);
    await this.runner?.stop().catch(() => {});
    await this.pool.end();
  }

  /** By the database's clock, as graphile-worker writes it. A worker that has just begun may not hold its lock yet. */
  async releaseJobsOfTheDead(): Promise<void> {
    await this.prisma.$executeRaw`
      SELECT ${jobs}.force_unlock_workers(array_agg(name)) FROM (
        SELECT DISTINCT locked_by AS name FROM ${jobs}._private_jobs WHERE locked_at < now() - interval '10 seconds'
      ) workers WHERE pg_try_advisory_xact_lock(hashtext('identity-worker'), hashtext(name))`;
  }

  /** What a job was for is in its module's own tables; the jobs that were given up or replaced while running are not. */
  async forgetGivenUp(): Promise<void> {
    await this.prisma.$executeRaw`
      DELETE FROM ${jobs}._private_jobs
      WHERE attempts >= max_attempts AND locked_at IS NULL AND updated_at < now() - interval '1 day'`;
  }
}
