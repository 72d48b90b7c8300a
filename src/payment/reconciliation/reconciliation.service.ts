import { Injectable } from '@nestjs/common';
import type Stripe from 'stripe';
import { GatekeeperLogger } from '../../logger/index.js';
import { Clock } from '../../platform/config/index.js';
import { AppError } from '../../platform/errors/index.js';
import { type AppleClient } from '../apple/apple.client.js';
import { OptionalApple } from '../apple/optional-apple.js';
import { PaymentHistoryStore } from '../history/payment-history.store.js';
import { PlanPricesStore } from '../plans/plan-prices.store.js';
import { type Movement, type ProviderSubscription } from '../providers/provider-subscription.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import {
  disputeMovements,
  disputeStanding,
  refundMovements,
  readStripeSubscription,
  stripeMovements,
} from '../stripe/stripe-state.js';
import { idOf, type StripeClient } from '../stripe/stripe.client.js';
import { InboxStore } from '../webhooks/inbox.store.js';
import { ReconciliationStore, type WrittenSubscription } from './reconciliation.store.js';

const dayMs = 86_400_000;
/** Of Apple's notifications: longer than Apple itself goes on trying to deliver them. Apple shows less than 180. */
const nightlyDays = 7;
const maxDays = 179;
/** Of charges, refunds and what ended, at least. Disputes are few, and all are compared: they may be decided months later. */
const moneyDays = 35;
const batchSize = 100;

/** How many look-ups were asked for, by provider. */
export interface ReconciliationReport {
  readonly stripe: number;
  readonly apple: number;
}

/**
 * Once a night, what the providers have is compared with what is written here, and whatever differs is looked up again. It
 * writes nothing itself: look-ups do, under their tickets, so it may run beside anything, and be repeated.
 */
@Injectable()
export class ReconciliationService {
  constructor(
    private readonly stripe: OptionalStripe,
    private readonly apple: OptionalApple,
    private readonly store: ReconciliationStore,
    private readonly prices: PlanPricesStore,
    private readonly history: PaymentHistoryStore,
    private readonly inbox: InboxStore,
    private readonly clock: Clock,
    private readonly logger: GatekeeperLogger,
  ) {}

  /**
   * @param days how far to look back for what happened: 1 to 179
   * @throws {AppError} `invalid_request`
   */
  async run(days = nightlyDays): Promise<ReconciliationReport> {
    if (!Number.isInteger(days) || days < 1 || days > maxDays) {
      throw new AppError('invalid_request', `days: expected 1 to ${maxDays}.`);
    }
    const since = this.daysAgo(Math.max(days, moneyDays));
    const told = this.daysAgo(days);
    const [stripe, apple] = [this.stripe.client, this.apple.client];
    // Each by itself: one provider's outage holds up no repair of the other's.
    const [ofStripe, ofApple] = await Promise.allSettled([
      this.repair('stripe', stripe && (() => this.differencesAtStripe(stripe, since))),
      this.repair('apple', apple && (() => this.differencesAtApple(apple, told, since))),
    ]);
    if (ofStripe.status === 'rejected') throw ofStripe.reason;
    if (ofApple.status === 'rejected') throw ofApple.reason;
    const report = { stripe: ofStripe.value, apple: ofApple.value };
    this.logger.info('payments_reconciled', { count: report.stripe + report.apple });
    return report;
  }

  /** @returns how many look-ups it queued */
  private async repair(provider: 'stripe' | 'apple', differences?: () => Promise<Set<string>>): Promise<number> {
    const objectRefs = (await differences?.()) ?? new Set<string>();
    for (const objectRef of objectRefs) await this.inbox.repair({ provider, objectRef });
    return objectRefs.size;
  }

  private async differencesAtStripe(client: StripeClient, since: Date): Promise<Set<string>> {
    const objectRefs = new Set<string>();
    await this.compareSubscriptions(client, since, objectRefs);
    for await (const charges of inBatches(client.chargesSince(since))) {
      const moved = charges.map((charge) => movedFor(charge, stripeMovements({ charges: [charge], disputes: [] })));
      await this.compareMoney(moved, objectRefs);
    }
    for await (const refunds of inBatches(client.refundsSince(since))) {
      await this.compareMoney(
        refunds.map((refund) => movedFor(refund.charge, refundMovements(refund))),
        objectRefs,
      );
    }
    for await (const disputes of inBatches(client.allDisputes())) {
      await this.compareMoney(
        disputes.map((dispute) => movedFor(dispute.charge, disputeMovements(dispute))),
        objectRefs,
      );
      await this.compareDisputes(disputes, objectRefs);
    }
    return objectRefs;
  }

  private async compareSubscriptions(client: StripeClient, since: Date, objectRefs: Set<string>): Promise<void> {
    const plans = await this.prices.plansOf('stripe');
    const seen = new Set<string>();
    for await (const subscriptions of inBatches(client.allSubscriptions())) {
      const refs = subscriptions.map(refOf);
      for (const ref of refs) seen.add(ref);
      const written = await this.store.written(refs);
      const known = await this.store.known(subscriptions.map(({ customer }) => idOf(customer)));
      for (const subscription of subscriptions) {
        const customer = idOf(subscription.customer);
        const fetched = readStripeSubscription(subscription, { invoices: [], charges: [] }, 0);
        const differs = isOtherThan(written.get(refOf(subscription)), fetched, plans.get(fetched.priceRef));
        if (known.has(customer) && differs) objectRefs.add(customer);
      }
    }
    for (const { providerRef, customer } of await this.store.live('stripe', since)) {
      if (customer !== null && !seen.has(providerRef)) objectRefs.add(customer);
    }
  }

  /** Whose money moved without a row that says so. Another service's customers, on the same account at Stripe, are not ours. */
  private async compareMoney(moved: readonly Moved[], objectRefs: Set<string>): Promise<void> {
    const missing = await this.history.missing(moved.flatMap(({ refs }) => refs));
    const known = await this.store.known(moved.flatMap(({ customer }) => customer ?? []));
    for (const { customer, refs } of moved) {
      if (customer !== null && known.has(customer) && refs.some((ref) => missing.has(ref))) objectRefs.add(customer);
    }
  }

  private async compareDisputes(disputes: readonly Stripe.Dispute[], objectRefs: Set<string>): Promise<void> {
    const customers = disputes.map(({ charge }) => customerOf(charge));
    const known = await this.store.known(customers.flatMap((customer) => customer ?? []));
    const written = await this.store.disputes(disputes.map(refOf));
    for (const [index, dispute] of disputes.entries()) {
      const customer = customers[index] ?? null;
      const { blocks, isSealed } = written.get(refOf(dispute)) ?? { blocks: false, isSealed: false };
      const differs = blocks !== (disputeStanding(dispute) === 'against');
      if (customer !== null && known.has(customer) && differs && !isSealed) objectRefs.add(customer);
    }
  }

  /** What Apple told, or tried to, comes into the inbox as if it had just arrived; what may still change is asked for. */
  private async differencesAtApple(client: AppleClient, told: Date, since: Date): Promise<Set<string>> {
    for await (const notification of client.notifications(told, this.clock.now())) {
      const { id: eventId, type, signedAt: occurredAt, originalTransactionId: objectRef } = notification;
      if (objectRef === undefined) continue;
      await this.inbox.receive({ provider: 'apple', eventId, type, objectRef, occurredAt }, this.clock.now());
    }
    const live = await this.store.live('apple', since);
    return new Set(live.map(({ providerRef }) => providerRef.replace('apple:', '')));
  }

  private daysAgo(days: number): Date {
    return new Date(this.clock.now().getTime() - days * dayMs);
  }
}

/** What moved of a customer's money, by our names. */
interface Moved {
  readonly customer: string | null;
  readonly refs: readonly string[];
}

function movedFor(charge: string | Stripe.Charge | null, movements: readonly Movement[]): Moved {
  return { customer: customerOf(charge), refs: movements.map(({ providerRef }) => providerRef) };
}

/** Null when there is none, as for what was paid without an account. */
function customerOf(charge: string | Stripe.Charge | null): string | null {
  if (charge === null || typeof charge === 'string' || charge.customer === null) return null;
  return idOf(charge.customer);
}

const refOf = ({ id }: { readonly id: string }) => `stripe:${id}`;

/**
 * Whether a subscription should be looked up again. What depends on its payments cannot be compared here: that it was given
 * back, and since when it is overdue. A missed refund shows among the refunds.
 */
function isOtherThan(
  written: WrittenSubscription | undefined,
  fetched: ProviderSubscription,
  planId: string | undefined,
): boolean {
  // Of what has ended and is mapped to no plan, no row is made.
  if (written === undefined) return planId !== undefined || fetched.status !== 'EXPIRED';
  if (written.status !== fetched.status && written.status !== 'REVOKED') return true;
  const isRunning = fetched.status === 'ACTIVE' || fetched.status === 'TRIAL';
  return (
    (isRunning && written.paidThrough.getTime() !== fetched.paidThrough.getTime()) ||
    written.cancelAtPeriodEnd !== fetched.cancelAtPeriodEnd ||
    (planId !== undefined && written.planId !== planId)
  );
}

async function* inBatches<T>(all: AsyncIterable<T>): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const one of all) {
    batch.push(one);
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
