import { jobs, Prisma } from '../prisma/identity/index.js';

/** The job that closes the checkout which a person has left open; its payload is `{ userId }`. */
export const closingTask = 'close-checkouts';

/**
 * A query that has it done for whom `people` selects. It is a part of the statement that gives them access: both are
 * committed, or neither is. The statement must read it, or PostgreSQL would leave the jobs out.
 *
 * @param people a query of `user_id` uuid. Whether they have anything open the job sees: this statement would be too early.
 */
export const closingCheckouts = (people: Prisma.Sql): Prisma.Sql => Prisma.sql`
  SELECT count(${jobs}.add_job(${closingTask}::text, json_build_object('userId', user_id),
    job_key => ${closingTask}::text || ':' || user_id))::int AS jobs
  FROM (${people}) people`;
