import { type Provider, type Type } from '@nestjs/common';
import { IdentityJobs } from './identity-jobs.js';

/** A task, with the service that does its jobs. */
export interface JobHandler {
  readonly task: string;
  readonly handler: Type;
  readonly run: (handler: unknown, payload: unknown, attempt: number) => Promise<unknown>;
  readonly cron?: string;
}

/**
 * Says that a service does the jobs of a task. Every job may run more than once; one that throws is tried again, later each
 * time.
 *
 * @param run gets the payload as it was added: parse it; and which attempt of the job it is, from 1: a job that is added
 * again under its key begins anew
 * @param options cron adds a job by the clock, once for all workers: a cron pattern, in UTC
 */
export function handles<Service>(
  task: string,
  handler: Type<Service>,
  run: (handler: Service, payload: unknown, attempt: number) => Promise<unknown>,
  options: { readonly cron?: string } = {},
): JobHandler {
  return { task, handler, run: (given, payload, attempt) => run(given as Service, payload, attempt), ...options };
}

/** For a module's `providers`: the tasks whose jobs it does, each with the service that does them. */
export function jobHandlers(...handlers: readonly JobHandler[]): Provider[] {
  return handlers.map(({ task, handler, run, cron }) => ({
    provide: `job:${task}`,
    inject: [IdentityJobs, handler],
    useFactory: (jobs: IdentityJobs, given: unknown) => {
      jobs.handle(task, async (payload, attempt) => void (await run(given, payload, attempt)));
      if (cron !== undefined) jobs.every(cron, task);
      return task;
    },
  }));
}
