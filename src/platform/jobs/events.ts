import { type Type } from '@nestjs/common';
import { type Prisma } from '../../prisma/identity/index.js';
import { jobForEach, userIdOf, userJobs } from './add-jobs.js';
import { handles, type JobHandler } from './job-handlers.js';

/**
 * How a module lets a higher one know what happened to a user, without naming it: an event is a job whose task is the
 * event's name. The lower module declares the name in its `events.ts` and raises the event in the statement that causes it;
 * the higher module says in its module file, with `onEvent`, what does it. One event has one subscriber.
 *
 * So an event is committed with its cause or not at all, outlives every process, and is tried again until it is done.
 */

/**
 * A query that raises an event for each user whom `users` (a query of `user_id` uuid) selects. It is a part of the statement
 * that is the cause, which must go on to read its `jobs`, or PostgreSQL would leave them out. Of an event that is raised
 * again before anybody has begun on it, one is left.
 */
export const raiseEvent = (event: string, users: Prisma.Sql): Prisma.Sql => jobForEach(userJobs(event, users));

/** Says that a service deals with an event. It may be told of one event more than once. */
export function onEvent<Service>(
  event: string,
  subscriber: Type<Service>,
  run: (subscriber: Service, userId: string) => Promise<unknown>,
): JobHandler {
  return handles(event, subscriber, (given, payload) => run(given, userIdOf(payload)));
}
