import { type Provider, type Type } from '@nestjs/common';
import { IdentityJobs } from './identity-jobs.js';

/** A task, with the service that runs its jobs. */
export interface JobHandler {
  readonly task: string;
  readonly handler: Type;
  readonly run: (handler: unknown, payload: unknown, attempt: number) => Promise<unknown>;
  readonly cron: string | undefined;
  readonly onlyIf: (handler: unknown) => boolean;
}

/**
 * Declares the service that runs the jobs of a task. Every job may run more than once. A job that throws is retried, with
 * growing delays.
 *
 * @param run gets the payload as it was added, which it must parse, and the number of the attempt, from 1. A job that is added
 * again under its key restarts at 1
 * @param options `cron`, a pattern in UTC, adds a job on a schedule, once for all workers. `onlyIf` is called at the start: where
 * it returns false, this process does not run these jobs, and they wait for a worker that does
 */
export function handles<Service>(
  task: string,
  handler: Type<Service>,
  run: (handler: Service, payload: unknown, attempt: number) => Promise<unknown>,
  { cron, onlyIf = () => true }: { readonly cron?: string; readonly onlyIf?: (handler: Service) => boolean } = {},
): JobHandler {
  return {
    task,
    handler,
    run: (given, payload, attempt) => run(given as Service, payload, attempt),
    cron,
    onlyIf: (given) => onlyIf(given as Service),
  };
}

/** For a module's `providers`: its tasks, each with the service that runs the jobs. */
export function jobHandlers(...handlers: readonly JobHandler[]): Provider[] {
  return handlers.map(({ task, handler, run, cron, onlyIf }) => ({
    // A symbol, because Nest silently replaces a provider by a second one with an equal string token.
    provide: Symbol(task),
    inject: [IdentityJobs, handler],
    useFactory: (jobs: IdentityJobs, given: unknown) => {
      if (!onlyIf(given)) return task;
      jobs.handle(task, async (payload, attempt) => void (await run(given, payload, attempt)));
      if (cron !== undefined) jobs.every(cron, task);
      return task;
    },
  }));
}
