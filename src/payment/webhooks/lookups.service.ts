import { Inject, Injectable } from '@nestjs/common';
import { Counter, Histogram } from 'prom-client';
import { z } from 'zod';
import { GatekeeperLogger } from '../../logger/index.js';
import { Clock } from '../../platform/config/index.js';
import { isStoreError, isStoreOutage } from '../../platform/errors/index.js';
import { type PaymentProvider } from '../../prisma/identity/index.js';
import { ProviderRefusal, ProviderUnavailable } from '../providers/provider-errors.js';
import { type ParkedFor, PROVIDER_SYNCS, type ProviderSyncs, type SyncOutcome } from '../providers/provider-sync.js';
import { InboxStore, type Lookup } from './inbox.store.js';

/**
 * How money events become access, whatever order they come in, however often, and through any crash:
 *
 *  1. A webhook's signature is verified, and an inbox row and a job are committed together. Only then is it acknowledged.
 *  2. The job does not believe the event. It takes a ticket, a number greater than all before, and then asks the provider for
 *     the thing that the event speaks of, as it is now.
 *  3. What it learnt is written only where the stored ticket is smaller. Of two racing look-ups the one that began to ask
 *     later wins; and for every change there is a look-up that began after it, the one of its own event.
 *  4. The events that arrived before the ticket are done: the look-up has seen what they speak of.
 *
 * So events may be lost, doubled, late or in any order: the last look-up decides, and the nightly reconciliation makes sure
 * that there is one. A look-up that fails because the provider is away is tried again, later each time; one that cannot
 * succeed is parked for an operator, and the others go on.
 */

/** A race with another statement is over by then, after a quarter of an hour: what still fails always will. */
const triesOfStore = 8;

const lag = new Histogram({
  name: 'payment_event_lag_seconds',
  help: 'From the moment something happened at the provider until it was dealt with here.',
  labelNames: ['provider'],
  buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600, 86_400],
});
const parked = new Counter({
  name: 'payment_lookups_parked_total',
  help: 'Look-ups whose events were put aside for an operator, by the reason.',
  labelNames: ['provider', 'reason'],
});
const repairs = new Counter({
  name: 'payment_reconciliation_repairs_total',
  help: 'Look-ups of the reconciliation that found what no event had brought.',
  labelNames: ['provider'],
});
// So that the first of them is an increase, and not the birth of a series.
for (const provider of ['stripe', 'apple']) {
  repairs.inc({ provider }, 0);
  parked.inc({ provider, reason: 'unknown_status' }, 0);
}

const jobPayload = z.object({ lookup: z.string(), repair: z.boolean().default(false) });

export interface LookupOptions {
  /** A user who says that what is looked up is theirs. */
  readonly claimant?: string;
  /** Which of a job, from 1: what the store refuses every time is put aside at last. */
  readonly attempt?: number;
}

/** Asks providers how things are now, has it written, and settles the events that asked for it. */
@Injectable()
export class LookupsService {
  constructor(
    private readonly inbox: InboxStore,
    @Inject(PROVIDER_SYNCS) private readonly syncs: ProviderSyncs,
    private readonly clock: Clock,
    private readonly logger: GatekeeperLogger,
  ) {}

  /** Whether this process can ask the provider. */
  canAsk(provider: PaymentProvider): boolean {
    return this.syncs[provider].isSetUp;
  }

  /** Does a job that the inbox added. */
  async work(provider: PaymentProvider, payload: unknown, attempt: number): Promise<void> {
    const { lookup, repair } = jobPayload.parse(payload);
    const { changed } = await this.lookUp({ provider, lookup }, { attempt });
    if (repair && changed) repairs.inc({ provider });
  }

  /** @throws {ProviderUnavailable} and whatever means that a store is away: nothing is settled then */
  async lookUp(what: Lookup, { claimant, attempt = 1 }: LookupOptions = {}): Promise<SyncOutcome> {
    const { provider, lookup } = what;
    const ticket = await this.inbox.takeTicket();
    const syncing = this.syncs[provider].sync(lookup, ticket, claimant);
    const outcome = await syncing.catch((error: unknown) => this.park(error, attempt));
    const { parkedFor } = outcome;
    if (parkedFor !== undefined) parked.inc({ provider, reason: parkedFor });
    const now = this.clock.now().getTime();
    for (const occurredAt of await this.inbox.settle(what, ticket, parkedFor)) {
      lag.observe({ provider }, Math.max(0, now - occurredAt.getTime()) / 1000);
    }
    return outcome;
  }

  private park(error: unknown, attempt: number): SyncOutcome {
    if (error instanceof ProviderUnavailable || isStoreOutage(error)) throw error;
    // Mostly a statement that lost a race, such as with the deletion of an account: the next run sees who won.
    if (isStoreError(error) && attempt < triesOfStore) throw error;
    this.logger.error('payment_lookup_parked', error);
    return { changed: false, parkedFor: reasonToPark(error) };
  }
}

function reasonToPark(error: unknown): ParkedFor {
  if (error instanceof ProviderRefusal) return `refused_${error.code}`;
  return isStoreError(error) ? 'unwritable' : 'unreadable';
}
