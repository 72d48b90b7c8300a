import { type Type } from '@nestjs/common';
import { type Prisma } from '../../prisma/identity/index.js';
import { jobForEach, userIdOf, userJobs } from './add-jobs.js';
import { handles, type JobHandler } from './job-handlers.js';

/**
 * Events let a module notify a higher module of a change to a user without importing it. An event is a job whose task is the
 * event's name. The lower module declares the name in its `events.ts` and raises the event in the statement that causes it. The
 * higher module subscribes in its module file, with `onEvent`. An event has one subscriber.
 *
 * So an event is committed with its cause or not at all, survives any crash, and is retried until it succeeds.
 */

/**
 * A query that raises an event for each user that `users` (a query of `user_id` uuid) selects. It belongs into the statement
 * that is the cause. That statement must read the query's column `jobs`, or PostgreSQL skips it. An event that is raised again
 * before its subscriber has started on it runs once.
 */
export const raiseEvent = (event: string, users: Prisma.Sql): Prisma.Sql => jobForEach(userJobs(event, users));

/** Subscribes a service to an event. The service may receive the same event more than once. */
export function onEvent<Service>(
  event: string,
  subscriber: Type<Service>,
  run: (subscriber: Service, userId: string) => Promise<unknown>,
): JobHandler {
  return handles(event, subscriber, (given, payload) => run(given, userIdOf(payload)));
}
