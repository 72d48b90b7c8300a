import { Inject, Injectable } from '@nestjs/common';
import type Stripe from 'stripe';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../../platform/config/index.js';
import {
  AccessBlocksService,
  type FetchedSubscription,
  ProviderSubscriptionsService,
  TrialsService,
} from '../../subscription/index.js';
import { type ProviderCustomer, CustomersStore } from '../customers/customers.store.js';
import { PaymentHistoryStore } from '../history/payment-history.store.js';
import { PlanPricesStore } from '../plans/plan-prices.store.js';
import { type DeadLetterReason, type ProviderSync, type SyncOutcome } from '../providers/provider-sync.js';
import { type ProviderSubscription } from '../providers/provider-subscription.js';
import { OptionalStripe } from './optional-stripe.js';
import { disputeEffect, paymentMethodFingerprint, readStripeSubscription, stripeMovements } from './stripe-state.js';
import { idOf, type StripeClient, type StripeBilling } from './stripe.client.js';

const unchanged: SyncOutcome = { changed: false };

/** Fetches a customer's subscriptions and payments from Stripe and stores the result. `ProviderFetchesService` says when. */
@Injectable()
export class StripeSyncService implements ProviderSync {
  constructor(
    private readonly stripe: OptionalStripe,
    private readonly customers: CustomersStore,
    private readonly prices: PlanPricesStore,
    private readonly history: PaymentHistoryStore,
    private readonly subscriptions: ProviderSubscriptionsService,
    private readonly blocks: AccessBlocksService,
    private readonly trials: TrialsService,
    @Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig,
  ) {}

  get isSetUp(): boolean {
    return this.stripe.client !== undefined;
  }

  /** @param objectRef id of a customer, or of a charge if the event named no customer */
  async sync(objectRef: string, fetchVersion: bigint): Promise<SyncOutcome> {
    const client = this.stripe.required();
    const id = objectRef.startsWith('cus_') ? objectRef : await client.customerOfCharge(objectRef);
    if (id === undefined) return unchanged;
    const customer = await this.customers.byStripe(id);
    if (customer === undefined) {
      // The customer was deleted together with the account. Late events must not restore it, but refunds and disputes of
      // recorded payments still belong in the payment history.
      return (await client.isDeletedCustomer(id))
        ? { changed: await this.recordAfterDeletion(await client.chargesAndDisputesOf(id)) }
        : { changed: false, deadLetterReason: 'unknown_customer' };
    }
    const money = await client.billingOf(id);
    return this.record(client, customer, money, fetchVersion);
  }

  /** Adds refunds and disputes of payments that are recorded here. Other services may use the same Stripe account. */
  private async recordAfterDeletion({
    charges,
    disputes,
  }: Pick<StripeBilling, 'charges' | 'disputes'>): Promise<boolean> {
    let changed = false;
    for (const charge of charges) {
      const movements = stripeMovements({
        charges: [charge],
        disputes: disputes.filter((dispute) => idOf(dispute.charge) === charge.id),
      });
      changed = (await this.history.addToCharge(`stripe:${charge.id}`, 'stripe', movements)) || changed;
    }
    return changed;
  }

  private async record(
    client: StripeClient,
    customer: ProviderCustomer,
    money: StripeBilling,
    fetchVersion: bigint,
  ): Promise<SyncOutcome> {
    const { userId } = customer;
    const plans = await this.prices.plansOf('stripe');
    const fetched: FetchedSubscription[] = [];
    for (const subscription of money.subscriptions) {
      const subscriptionNow = readStripeSubscription(subscription, money, this.config.graceDays);
      const status = await this.checkTrial(client, customer, subscription, subscriptionNow);
      fetched.push({ ...subscriptionNow, provider: 'stripe', status, planId: plans.get(subscriptionNow.priceRef) });
    }
    const changes = [
      await this.history.add(userId, 'stripe', stripeMovements(money)),
      await this.subscriptions.recordAll(userId, 'stripe', fetched, fetchVersion),
      ...(await this.recordDisputes(userId, money.disputes, fetchVersion)),
    ];
    return { changed: changes.includes(true), deadLetterReason: deadLetterReasonOf(fetched, money.disputes) };
  }

  /** Cancels a trial on a card that had one already, before it costs anything. The user may subscribe again without one. */
  private async checkTrial(
    client: StripeClient,
    { firebaseUid, email, emailVerified }: ProviderCustomer,
    subscription: Stripe.Subscription,
    { providerRef, status }: ProviderSubscription,
  ): Promise<ProviderSubscription['status']> {
    if (status !== 'TRIAL') return status;
    const user = { firebaseUid, email, emailVerified, paymentMethod: paymentMethodFingerprint(subscription) };
    if (await this.trials.claim(providerRef, user)) return status;
    await client.cancelNow(subscription.id);
    return 'EXPIRED';
  }

  private async recordDisputes(
    userId: string,
    disputes: readonly Stripe.Dispute[],
    fetchVersion: bigint,
  ): Promise<boolean[]> {
    const changes: boolean[] = [];
    for (const dispute of disputes) {
      const effect = disputeEffect(dispute);
      if (effect === undefined) continue;
      const providerRef = `stripe:${dispute.id}`;
      changes.push(await this.blocks.recordDispute({ userId, providerRef, blocks: effect === 'blocks', fetchVersion }));
    }
    return changes;
  }
}

function deadLetterReasonOf(
  fetched: readonly FetchedSubscription[],
  disputes: readonly Stripe.Dispute[],
): DeadLetterReason | undefined {
  // An expired subscription gives no access, so its plan does not matter.
  if (fetched.some(({ planId, status }) => planId === undefined && status !== 'EXPIRED')) return 'unknown_price';
  const isUnknown =
    fetched.some(({ status }) => status === undefined) ||
    disputes.some((dispute) => disputeEffect(dispute) === undefined);
  return isUnknown ? 'unknown_status' : undefined;
}
