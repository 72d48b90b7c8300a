import { z } from 'zod';
import { jobsSchema, Prisma } from '../../prisma/identity/index.js';

/** graphile-worker's schema, for the statements of this folder: no other file may name what is in it. */
export const jobs = Prisma.raw(jobsSchema);

export interface NewJob {
  readonly task: string;
  readonly payload: Readonly<Record<string, string | boolean>>;
  /** Of jobs with one key that have not begun, the last one stays. */
  readonly key: string;
  /** Lower is sooner; 0 by default. */
  readonly priority?: number;
  /** Of the jobs in one queue, one is done at a time. */
  readonly queue?: string;
  /** Not before so many seconds have passed. */
  readonly delaySeconds?: number;
}

/**
 * The SQL expression that adds a job, for the statement that makes the job necessary: both are committed, or neither is.
 * A job that is running already does not count as waiting: what it has read may be older than the reason for this one.
 */
export function addJob({ task, payload, key, priority = 0, queue, delaySeconds = 0 }: NewJob): Prisma.Sql {
  return Prisma.sql`(${jobs}.add_job(${task}, ${JSON.stringify(payload)}::json, queue_name => ${queue ?? null}::text,
    job_key => ${key}, priority => ${priority}::int, run_at => now() + make_interval(secs => ${delaySeconds}))).id`;
}

/**
 * A query that adds a job for each row of `wanted`, as a part of the statement that makes the jobs necessary. The statement
 * must go on to read its `jobs` (how many were added), or PostgreSQL would leave them out.
 *
 * @param wanted a query of `task` text, `key` text and `payload` json
 */
export const jobForEach = (wanted: Prisma.Sql): Prisma.Sql => Prisma.sql`
  SELECT count(${jobs}.add_job(task, payload, job_key => key))::int AS jobs FROM (${wanted}) wanted`;

/**
 * The rows that `jobForEach` and `requeueMissing` take: a job of one task for each user. See `personOf` for its payload.
 *
 * @param users a query of `user_id` uuid
 */
export const userJobs = (task: string, users: Prisma.Sql): Prisma.Sql => Prisma.sql`
  SELECT ${task}::text AS task, ${task}::text || ':' || user_id AS key, json_build_object('userId', user_id) AS payload
  FROM (${users}) users`;

const userJob = z.object({ userId: z.uuid() });

/** Whom a job of `userJobs` is for. @throws {ZodError} for any other payload */
export const userIdOf = (payload: unknown): string => userJob.parse(payload).userId;
