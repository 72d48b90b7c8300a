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
  disputeEffect,
  refundMovements,
  readStripeSubscription,
  stripeMovements,
} from '../stripe/stripe-state.js';
import { idOf, type StripeClient } from '../stripe/stripe.client.js';
import { InboxStore } from '../webhooks/inbox.store.js';
import { ReconciliationStore, type StoredSubscription } from './reconciliation.store.js';

const dayMs = 86_400_000;
/** How far back to read Apple's notifications: longer than Apple retries a delivery. Apple keeps them for 180 days. */
const defaultDays = 7;
const maxDays = 179;
/** How far back to compare charges, refunds and ended subscriptions, at least. Disputes may take months: all are compared. */
const minMoneyDays = 35;
const batchSize = 100;

/** How many fetches were queued, by provider. */
export interface ReconciliationReport {
  readonly stripe: number;
  readonly apple: number;
}

/**
 * Compares the providers' data with the stored data every night, and queues a fetch for each object that differs. Only those
 * fetches write, protected by their fencing tokens. So a run is safe to repeat, and safe beside anything else.
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
   * @param days how many days to look back, 1 to 179
   * @throws {AppError} `invalid_request`
   */
  async run(days = defaultDays): Promise<ReconciliationReport> {
    if (!Number.isInteger(days) || days < 1 || days > maxDays) {
      throw new AppError('invalid_request', `days: expected 1 to ${maxDays}.`);
    }
    const since = this.daysAgo(Math.max(days, minMoneyDays));
    const notificationsSince = this.daysAgo(days);
    const [stripe, apple] = [this.stripe.client, this.apple.client];
    // Independent of each other: an outage of one provider does not delay repairs for the other.
    const [ofStripe, ofApple] = await Promise.allSettled([
      this.enqueueRepairs('stripe', stripe && (() => this.findStripeDifferences(stripe, since))),
      this.enqueueRepairs('apple', apple && (() => this.findAppleDifferences(apple, notificationsSince, since))),
    ]);
    if (ofStripe.status === 'rejected') throw ofStripe.reason;
    if (ofApple.status === 'rejected') throw ofApple.reason;
    const report = { stripe: ofStripe.value, apple: ofApple.value };
    this.logger.info('payments_reconciled', { count: report.stripe + report.apple });
    return report;
  }

  /** @returns how many fetches it queued */
  private async enqueueRepairs(
    provider: 'stripe' | 'apple',
    differences?: () => Promise<Set<string>>,
  ): Promise<number> {
    const objectRefs = (await differences?.()) ?? new Set<string>();
    for (const objectRef of objectRefs) await this.inbox.enqueueRepair({ provider, objectRef });
    return objectRefs.size;
  }

  private async findStripeDifferences(client: StripeClient, since: Date): Promise<Set<string>> {
    const objectRefs = new Set<string>();
    await this.compareSubscriptions(client, since, objectRefs);
    for await (const charges of inBatches(client.chargesSince(since))) {
      const movements = charges.map((charge) =>
        customerMovements(charge, stripeMovements({ charges: [charge], disputes: [] })),
      );
      await this.compareMoney(movements, objectRefs);
    }
    for await (const refunds of inBatches(client.refundsSince(since))) {
      await this.compareMoney(
        refunds.map((refund) => customerMovements(refund.charge, refundMovements(refund))),
        objectRefs,
      );
    }
    for await (const disputes of inBatches(client.allDisputes())) {
      await this.compareMoney(
        disputes.map((dispute) => customerMovements(dispute.charge, disputeMovements(dispute))),
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
      const stored = await this.store.storedSubscriptions(refs);
      const ownCustomers = await this.store.ownCustomers(subscriptions.map(({ customer }) => idOf(customer)));
      for (const subscription of subscriptions) {
        const customer = idOf(subscription.customer);
        const fetched = readStripeSubscription(subscription, { invoices: [], charges: [] }, 0);
        const differs = isDifferent(stored.get(refOf(subscription)), fetched, plans.get(fetched.priceRef));
        if (ownCustomers.has(customer) && differs) objectRefs.add(customer);
      }
    }
    for (const { providerRef, customer } of await this.store.changeableSubscriptions('stripe', since)) {
      if (customer !== null && !seen.has(providerRef)) objectRefs.add(customer);
    }
  }

  /** Finds customers with movements that are not stored. Skips customers of other services on the same Stripe account. */
  private async compareMoney(changes: readonly CustomerMovements[], objectRefs: Set<string>): Promise<void> {
    const missing = await this.history.missing(changes.flatMap(({ refs }) => refs));
    const ownCustomers = await this.store.ownCustomers(changes.flatMap(({ customer }) => customer ?? []));
    for (const { customer, refs } of changes) {
      if (customer !== null && ownCustomers.has(customer) && refs.some((ref) => missing.has(ref)))
        objectRefs.add(customer);
    }
  }

  private async compareDisputes(disputes: readonly Stripe.Dispute[], objectRefs: Set<string>): Promise<void> {
    const customers = disputes.map(({ charge }) => customerOf(charge));
    const ownCustomers = await this.store.ownCustomers(customers.flatMap((customer) => customer ?? []));
    const stored = await this.store.storedDisputes(disputes.map(refOf));
    for (const [index, dispute] of disputes.entries()) {
      const customer = customers[index] ?? null;
      const { blocks, isSealed } = stored.get(refOf(dispute)) ?? { blocks: false, isSealed: false };
      const differs = blocks !== (disputeEffect(dispute) === 'blocks');
      if (customer !== null && ownCustomers.has(customer) && differs && !isSealed) objectRefs.add(customer);
    }
  }

  /** Puts all of Apple's notifications into the inbox, which skips known ones. @returns subscriptions that may have changed */
  private async findAppleDifferences(client: AppleClient, notificationsSince: Date, since: Date): Promise<Set<string>> {
    for await (const notification of client.notifications(notificationsSince, this.clock.now())) {
      const { id: eventId, type, signedAt: occurredAt, originalTransactionId: objectRef } = notification;
      if (objectRef === undefined) continue;
      await this.inbox.receive({ provider: 'apple', eventId, type, objectRef, occurredAt }, this.clock.now());
    }
    const changeable = await this.store.changeableSubscriptions('apple', since);
    return new Set(changeable.map(({ providerRef }) => providerRef.replace('apple:', '')));
  }

  private daysAgo(days: number): Date {
    return new Date(this.clock.now().getTime() - days * dayMs);
  }
}

/** A customer, and the `providerRef`s of movements of their money. */
interface CustomerMovements {
  readonly customer: string | null;
  readonly refs: readonly string[];
}

function customerMovements(charge: string | Stripe.Charge | null, movements: readonly Movement[]): CustomerMovements {
  return { customer: customerOf(charge), refs: movements.map(({ providerRef }) => providerRef) };
}

/** Null if the charge has no customer, for example a guest payment. */
function customerOf(charge: string | Stripe.Charge | null): string | null {
  if (charge === null || typeof charge === 'string' || charge.customer === null) return null;
  return idOf(charge.customer);
}

const refOf = ({ id }: { readonly id: string }) => `stripe:${id}`;

/**
 * Whether a subscription must be fetched again. Its refunds and the start of its grace period depend on payments, which are
 * not compared here. A missed refund is found among the refunds.
 */
function isDifferent(
  stored: StoredSubscription | undefined,
  fetched: ProviderSubscription,
  planId: string | undefined,
): boolean {
  // An expired subscription without a plan is never stored.
  if (stored === undefined) return planId !== undefined || fetched.status !== 'EXPIRED';
  if (stored.status !== fetched.status && stored.status !== 'REVOKED') return true;
  const isRunning = fetched.status === 'ACTIVE' || fetched.status === 'TRIAL';
  return (
    (isRunning && stored.paidThrough.getTime() !== fetched.paidThrough.getTime()) ||
    stored.cancelAtPeriodEnd !== fetched.cancelAtPeriodEnd ||
    (planId !== undefined && stored.planId !== planId)
  );
}

async function* inBatches<T>(items: AsyncIterable<T>): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
