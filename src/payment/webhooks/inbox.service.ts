import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram } from 'prom-client';
import { z } from 'zod';
import { GatekeeperLogger } from '../../logger/index.js';
import { Background } from '../../platform/background/index.js';
import { Clock } from '../../platform/config/index.js';
import { isStoreOutage } from '../../platform/errors/index.js';
import { IdentityJobs } from '../../platform/jobs/index.js';
import { IdentityUpkeep, type PaymentProvider, type WebhookState } from '../../prisma/identity/index.js';
import { type ArrivedEvent, type InboxRow, InboxStore, type Lookup } from './inbox.store.js';
import { ProviderRefusal, ProviderUnavailable } from '../providers/provider-errors.js';

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

const day = 86_400_000;
const keptDays = 30;
/** Somebody who deletes their account and goes on paying Apple makes another of these each month. */
const unclaimedDays = 180;
/** A pending event has a job; one that has none for so long lost it. */
const reviveAfterMs = 60_000;
/** The longest between two tries of a look-up: the hours of graphile-worker would outlast any provider's outage. */
const patienceSeconds = 300;
const measureMs = 15_000;

/** A race with another statement is over by then, after a quarter of an hour: what still fails always will. */
const triesOfStore = 8;

/** Why events are put aside until an operator, or a later look-up, deals with them. */
export type ParkedFor =
  | 'unknown_customer'
  | 'unknown_account'
  | 'unknown_price'
  | 'unknown_status'
  | 'unreadable'
  | 'unwritable'
  | `refused_${string}`;

export interface SyncOutcome {
  /** Without it, all is well. */
  readonly parkedFor?: ParkedFor;
  /** Whether anything was written that was not there before. */
  readonly changed: boolean;
}

/** Asks the provider for what `lookup` names, and writes what it learns under the ticket. */
export type Sync = (lookup: string, ticket: bigint) => Promise<SyncOutcome>;

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

const events = new Gauge({
  name: 'payment_events',
  help: 'Events in the inbox that are pending or parked.',
  labelNames: ['state'],
});
const oldestPending = new Gauge({
  name: 'payment_event_oldest_pending_seconds',
  help: 'Age of the pending event that has waited longest; 0 without one.',
});

const jobPayload = z.object({ lookup: z.string(), repair: z.boolean().default(false) });

@Injectable()
export class Inbox {
  private readonly syncs = new Map<PaymentProvider, Sync>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: InboxStore,
    private readonly jobs: IdentityJobs,
    private readonly clock: Clock,
    private readonly logger: GatekeeperLogger,
    upkeep: IdentityUpkeep,
    background: Background,
  ) {
    upkeep.every('payment-inbox-revive', 60, () => this.revive());
    upkeep.every('payment-inbox-purge', 3_600, () => store.purge(this.daysAgo(keptDays), this.daysAgo(unclaimedDays)));
    background.add({ start: () => this.measure(), stop: () => clearInterval(this.timer) });
  }

  /** Says how events of a provider are dealt with. */
  dealWith(provider: PaymentProvider, sync: Sync): void {
    this.syncs.set(provider, sync);
    this.jobs.handle(`sync-${provider}`, async (payload, attempt) => {
      const { lookup, repair } = jobPayload.parse(payload);
      const { changed } = await this.lookUp({ provider, lookup }, sync, attempt);
      if (repair && changed) repairs.inc({ provider });
    });
  }

  /** Keeps an event for whoever works; it may be acknowledged once this resolves. */
  async receive(event: ArrivedEvent): Promise<void> {
    await this.store.receive(event, this.clock.now());
  }

  /** Newest first. */
  async list(state: WebhookState, limit: number): Promise<InboxRow[]> {
    return this.store.list(state, limit);
  }

  /** Has parked events looked up again: those of one look-up, or all. @returns how many */
  async retry(lookup?: string): Promise<number> {
    return this.store.retry(lookup);
  }

  /** Has something looked up again, after all that events ask for. */
  async repair(lookup: Lookup): Promise<void> {
    await this.store.ask(lookup, true);
  }

  /**
   * Looks something up now, and settles the events that asked for it.
   *
   * @param sync how, if not as events of the provider are
   * @param attempt which of a job, from 1: what the store refuses every time is put aside at last
   * @throws {ProviderUnavailable} and whatever means that a store is away: nothing is settled then
   */
  async lookUp(what: Lookup, sync = this.syncs.get(what.provider), attempt = 1): Promise<SyncOutcome> {
    if (sync === undefined) throw new ProviderUnavailable(what.provider, 'not_configured');
    const ticket = await this.store.takeTicket();
    const outcome = await sync(what.lookup, ticket).catch((error: unknown) => this.park(error, attempt));
    const { parkedFor } = outcome;
    if (parkedFor !== undefined) parked.inc({ provider: what.provider, reason: parkedFor });
    const now = this.clock.now().getTime();
    for (const occurredAt of await this.store.settle(what, ticket, parkedFor)) {
      lag.observe({ provider: what.provider }, Math.max(0, now - occurredAt.getTime()) / 1000);
    }
    return outcome;
  }

  private park(error: unknown, attempt: number): SyncOutcome {
    if (error instanceof ProviderUnavailable || isStoreOutage(error)) throw error;
    if (isFromStore(error) && attempt < triesOfStore) throw error;
    this.logger.error('payment_lookup_parked', error);
    return { changed: false, parkedFor: reasonToPark(error) };
  }

  private async revive(): Promise<void> {
    const count = await this.store.revive(new Date(this.clock.now().getTime() - reviveAfterMs));
    if (count > 0) this.logger.warn('payment_lookups_revived', { count });
    await this.store.hasten(patienceSeconds);
  }

  /** Every replica for itself, so that none goes on showing what was true when it last had a turn. */
  private measure(): void {
    const look = async () => {
      const { pending, parked, oldest } = await this.store.counts();
      events.set({ state: 'pending' }, pending);
      events.set({ state: 'parked' }, parked);
      oldestPending.set(oldest === null ? 0 : (this.clock.now().getTime() - oldest.getTime()) / 1000);
    };
    this.timer = setInterval(() => void look().catch(() => {}), measureMs).unref();
  }

  private daysAgo(days: number): Date {
    return new Date(this.clock.now().getTime() - days * day);
  }
}

function reasonToPark(error: unknown): ParkedFor {
  if (error instanceof ProviderRefusal) return `refused_${error.code}`;
  return isFromStore(error) ? 'unwritable' : 'unreadable';
}

/** Mostly a statement that lost a race, such as with the deletion of an account: the next run sees who won. */
function isFromStore(error: unknown): boolean {
  return error instanceof Error && error.name.startsWith('Prisma');
}
