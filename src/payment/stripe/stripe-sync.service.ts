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
import { disputeStanding, paymentMethodFingerprint, readStripeSubscription, stripeMovements } from './stripe-state.js';
import { idOf, type StripeClient, type StripeCustomerMoney } from './stripe.client.js';

const nothing: SyncOutcome = { changed: false };

/** Looks up all that Stripe knows of a customer's money, and writes what it means. See `ProviderFetchesService` for why it asks, and when. */
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

  /** @param objectRef a customer; or a charge, where an event names no customer */
  async sync(objectRef: string, fetchVersion: bigint): Promise<SyncOutcome> {
    const client = this.stripe.required();
    const id = objectRef.startsWith('cus_') ? objectRef : await client.customerOfCharge(objectRef);
    if (id === undefined) return nothing;
    const customer = await this.customers.byStripe(id);
    if (customer === undefined) {
      // Deleted together with its account here: late events bring nothing back, but money that does belongs in the books.
      return (await client.isDeletedCustomer(id))
        ? { changed: await this.recordLate(await client.movedOf(id)) }
        : { changed: false, deadLetterReason: 'unknown_customer' };
    }
    const money = await client.moneyOf(id);
    return this.write(client, customer, money, fetchVersion);
  }

  /** What became of payments that are in the books; payments of others at the same Stripe account are not. */
  private async recordLate({ charges, disputes }: Pick<StripeCustomerMoney, 'charges' | 'disputes'>): Promise<boolean> {
    let changed = false;
    for (const charge of charges) {
      const movements = stripeMovements({
        charges: [charge],
        disputes: disputes.filter((dispute) => idOf(dispute.charge) === charge.id),
      });
      changed = (await this.history.addBeside(`stripe:${charge.id}`, 'stripe', movements)) || changed;
    }
    return changed;
  }

  private async write(
    client: StripeClient,
    customer: ProviderCustomer,
    money: StripeCustomerMoney,
    fetchVersion: bigint,
  ): Promise<SyncOutcome> {
    const { userId } = customer;
    const plans = await this.prices.plansOf('stripe');
    const fetched: FetchedSubscription[] = [];
    for (const subscription of money.subscriptions) {
      const facts = readStripeSubscription(subscription, money, this.config.graceDays);
      const status = await this.admitTrial(client, customer, subscription, facts);
      fetched.push({ ...facts, provider: 'stripe', status, planId: plans.get(facts.priceRef) });
    }
    const changes = [
      await this.history.add(userId, 'stripe', stripeMovements(money)),
      await this.subscriptions.recordAll(userId, 'stripe', fetched, fetchVersion),
      ...(await this.recordDisputes(userId, money.disputes, fetchVersion)),
    ];
    return { changed: changes.includes(true), deadLetterReason: deadLetterReasonOf(fetched, money.disputes) };
  }

  /** A card that had a trial gets no other: the subscription ends before it costs anything, and may be begun without one. */
  private async admitTrial(
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
      const standing = disputeStanding(dispute);
      if (standing === undefined) continue;
      const providerRef = `stripe:${dispute.id}`;
      changes.push(
        await this.blocks.recordDispute({ userId, providerRef, blocks: standing === 'against', fetchVersion }),
      );
    }
    return changes;
  }
}

function deadLetterReasonOf(
  fetched: readonly FetchedSubscription[],
  disputes: readonly Stripe.Dispute[],
): DeadLetterReason | undefined {
  // What has ended gives nothing, whatever it was.
  if (fetched.some(({ planId, status }) => planId === undefined && status !== 'EXPIRED')) return 'unknown_price';
  const isUnknown =
    fetched.some(({ status }) => status === undefined) ||
    disputes.some((dispute) => disputeStanding(dispute) === undefined);
  return isUnknown ? 'unknown_status' : undefined;
}
