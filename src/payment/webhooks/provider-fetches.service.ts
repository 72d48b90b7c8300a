import { Inject, Injectable } from '@nestjs/common';
import { Counter, Histogram } from 'prom-client';
import { z } from 'zod';
import { GatekeeperLogger } from '../../logger/index.js';
import { Clock } from '../../platform/config/index.js';
import { isStoreError, isStoreOutage } from '../../platform/errors/index.js';
import { type PaymentProvider } from '../../prisma/identity/index.js';
import { ProviderRefusal, ProviderUnavailable } from '../providers/provider-errors.js';
import {
  type DeadLetterReason,
  PROVIDER_SYNCS,
  type ProviderSyncs,
  type SyncOutcome,
} from '../providers/provider-sync.js';
import { InboxStore, type FetchTarget } from './inbox.store.js';

/**
 * How payment events become access. Events may be lost, duplicated, late or out of order, and any process may crash.
 *
 *  1. The webhook verifies the signature. One statement stores the event and a job. Only then the service acknowledges.
 *  2. The job does not trust the event's content. It takes a fencing token, `fetchVersion`, which is greater than all before.
 *     Then it fetches the object that the event names, as the provider has it now.
 *  3. A row is written only where the stored `fetchVersion` is smaller. When two fetches race, the one that started later
 *     wins. Every change has such a fetch: the one of its own event, which starts after the change.
 *  4. All events that arrived before the `fetchVersion` was taken are done: the fetch has seen what they announced.
 *
 * The last fetch decides, and the nightly reconciliation makes sure that there is one. If the provider does not answer, the
 * fetch is retried with growing delays. If it can never succeed, its events are dead-lettered for an operator, and other
 * events are processed as usual.
 */

/** Eight attempts take a quarter of an hour. A race with another statement is over by then; a later attempt would fail too. */
const maxStoreAttempts = 8;

const lag = new Histogram({
  name: 'payment_event_lag_seconds',
  help: 'Seconds from an event at the provider until the service has dealt with it.',
  labelNames: ['provider'],
  buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600, 86_400],
});
const deadLettered = new Counter({
  name: 'payment_fetches_dead_lettered_total',
  help: 'Fetches whose events were dead-lettered for an operator, by reason.',
  labelNames: ['provider', 'reason'],
});
const repairs = new Counter({
  name: 'payment_reconciliation_repairs_total',
  help: 'Fetches of the reconciliation that found a change which no event had announced.',
  labelNames: ['provider'],
});
// Start both series at 0, so that the first count shows as an increase.
for (const provider of ['stripe', 'apple']) {
  repairs.inc({ provider }, 0);
  deadLettered.inc({ provider, reason: 'unknown_status' }, 0);
}

const repair = z.boolean().default(false);
const jobPayload = z.union([
  z.object({ objectRef: z.string(), repair }),
  // As 0.1 named it, for jobs that were queued before the upgrade.
  z.object({ lookup: z.string(), repair }).transform(({ lookup, repair }) => ({ objectRef: lookup, repair })),
]);

export interface FetchOptions {
  /** The user who claims the fetched purchase. */
  readonly claimant?: string;
  /** Number of the job's attempt, from 1. What the store refuses at every attempt is dead-lettered. */
  readonly attempt?: number;
}

/** Fetches objects from providers, has them written, and settles the events that announced them. */
@Injectable()
export class ProviderFetchesService {
  constructor(
    private readonly inbox: InboxStore,
    @Inject(PROVIDER_SYNCS) private readonly syncs: ProviderSyncs,
    private readonly clock: Clock,
    private readonly logger: GatekeeperLogger,
  ) {}

  /** Whether the operator has set the provider up. */
  canFetch(provider: PaymentProvider): boolean {
    return this.syncs[provider].isSetUp;
  }

  /** Runs a job that the inbox added. */
  async runJob(provider: PaymentProvider, payload: unknown, attempt: number): Promise<void> {
    const { objectRef, repair } = jobPayload.parse(payload);
    const { changed } = await this.fetch({ provider, objectRef }, { attempt });
    if (repair && changed) repairs.inc({ provider });
  }

  /** @throws {ProviderUnavailable} or the error of a store that does not answer; no event is settled then */
  async fetch(target: FetchTarget, { claimant, attempt = 1 }: FetchOptions = {}): Promise<SyncOutcome> {
    const { provider, objectRef } = target;
    const fetchVersion = await this.inbox.nextFetchVersion();
    const syncing = this.syncs[provider].sync(objectRef, fetchVersion, claimant);
    const outcome = await syncing.catch((error: unknown) => this.deadLetter(error, attempt));
    const { deadLetterReason } = outcome;
    if (deadLetterReason !== undefined) deadLettered.inc({ provider, reason: deadLetterReason });
    const now = this.clock.now().getTime();
    for (const occurredAt of await this.inbox.settle(target, fetchVersion, deadLetterReason)) {
      lag.observe({ provider }, Math.max(0, now - occurredAt.getTime()) / 1000);
    }
    return outcome;
  }

  private deadLetter(error: unknown, attempt: number): SyncOutcome {
    if (error instanceof ProviderUnavailable || isStoreOutage(error)) throw error;
    // Usually the statement lost a race, for example with an account deletion. The next attempt sees the result.
    if (isStoreError(error) && attempt < maxStoreAttempts) throw error;
    this.logger.error('payment_fetch_dead_lettered', error);
    return { changed: false, deadLetterReason: deadLetterReasonOf(error) };
  }
}

function deadLetterReasonOf(error: unknown): DeadLetterReason {
  if (error instanceof ProviderRefusal) return `refused_${error.code}`;
  return isStoreError(error) ? 'unwritable' : 'unreadable';
}
