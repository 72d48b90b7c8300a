import { type Provider, type Type } from '@nestjs/common';
import { IdentityJobs } from './identity-jobs.js';

/** A task, with the service that does its jobs. */
export interface JobHandler {
  readonly task: string;
  readonly handler: Type;
  readonly run: (handler: unknown, payload: unknown, attempt: number) => Promise<unknown>;
  readonly cron: string | undefined;
  readonly onlyIf: (handler: unknown) => boolean;
}

/**
 * Says that a service does the jobs of a task. Every job may run more than once; one that throws is tried again, later each
 * time.
 *
 * @param run gets the payload as it was added: parse it; and which attempt of the job it is, from 1: a job that is added
 * again under its key begins anew
 * @param options `cron` adds a job by the clock, once for all workers: a cron pattern, in UTC; `onlyIf` is asked at the start:
 * where it says no, the jobs wait untouched for a worker where it says yes
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

/** For a module's `providers`: the tasks whose jobs it does, each with the service that does them. */
export function jobHandlers(...handlers: readonly JobHandler[]): Provider[] {
  return handlers.map(({ task, handler, run, cron, onlyIf }) => ({
    // A symbol: with equal names one of two would replace the other, and neither be refused.
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
