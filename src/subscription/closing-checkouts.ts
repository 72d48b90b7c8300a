import { jobForEach, userJobs } from '../platform/jobs/index.js';
import { type Prisma } from '../prisma/identity/index.js';

/** The job that closes the checkout which a person has left open; its payload is `{ userId }`. */
export const closingTask = 'close-checkouts';

/**
 * Has it done, as `jobForEach` does, for whom `people` selects: a part of the statement that gives them access.
 *
 * @param people a query of `user_id` uuid. Whether they have anything open the job sees: this statement would be too early.
 */
export const closingCheckouts = (people: Prisma.Sql): Prisma.Sql => jobForEach(userJobs(closingTask, people));
