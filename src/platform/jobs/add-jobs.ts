import { z } from 'zod';
import { jobsSchema, Prisma } from '../../prisma/identity/index.js';

/** graphile-worker's schema. Only this folder may name what is in it. */
export const jobs = Prisma.raw(jobsSchema);

export interface NewJob {
  readonly task: string;
  readonly payload: Readonly<Record<string, string | boolean>>;
  /** A new job replaces a waiting one that has the same key. */
  readonly key: string;
  /** Lower runs first; 0 by default. */
  readonly priority?: number;
  /** Jobs in one queue run one at a time. */
  readonly queue?: string;
  /** Seconds to wait before the first run. */
  readonly delaySeconds?: number;
}

/**
 * The SQL expression that adds a job. It belongs into the statement that makes the job necessary: both are committed, or
 * neither. A job that already runs is not replaced, because it may have read data from before this statement.
 */
export function addJob({ task, payload, key, priority = 0, queue, delaySeconds = 0 }: NewJob): Prisma.Sql {
  return Prisma.sql`(${jobs}.add_job(${task}, ${JSON.stringify(payload)}::json, queue_name => ${queue ?? null}::text,
    job_key => ${key}, priority => ${priority}::int, run_at => now() + make_interval(secs => ${delaySeconds}))).id`;
}

/**
 * A query that adds a job for each row of `wanted`. It belongs into the statement that makes the jobs necessary. The statement
 * must read its column `jobs` (how many were added), or PostgreSQL skips the query.
 *
 * @param wanted a query of `task` text, `key` text and `payload` json
 */
export const jobForEach = (wanted: Prisma.Sql): Prisma.Sql => Prisma.sql`
  SELECT count(${jobs}.add_job(task, payload, job_key => key))::int AS jobs FROM (${wanted}) wanted`;

/**
 * The rows that `jobForEach` and `requeueMissing` take: one job of a task for each user. `userIdOf` reads its payload.
 *
 * @param users a query of `user_id` uuid
 */
export const userJobs = (task: string, users: Prisma.Sql): Prisma.Sql => Prisma.sql`
  SELECT ${task}::text AS task, ${task}::text || ':' || user_id AS key, json_build_object('userId', user_id) AS payload
  FROM (${users}) users`;

const userJob = z.object({ userId: z.uuid() });

/** The user that a job of `userJobs` is for. @throws {ZodError} for any other payload */
export const userIdOf = (payload: unknown): string => userJob.parse(payload).userId;
