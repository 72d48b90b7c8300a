import { Injectable } from '@nestjs/common';
import { type JWSTransactionDecodedPayload } from '@apple/app-store-server-library';
import { Clock } from '../../platform/config/index.js';
import { type FetchedSubscription, ProviderSubscriptionsService, TrialsService } from '../../subscription/index.js';
import { type ProviderCustomer, CustomersStore } from '../customers/customers.store.js';
import { type FetchedFor, PaymentHistoryStore } from '../history/payment-history.store.js';
import { type ProviderSync, type SyncOutcome } from '../providers/provider-sync.js';
import { PlanPricesStore } from '../plans/plan-prices.store.js';
import { readAppleSubscription, appleMovements, refundedNow } from './apple-state.js';
import { OptionalApple } from './optional-apple.js';

/** Looks up what the App Store knows of a subscription, and writes what it means. See `ProviderFetchesService` for why it asks, and when. */
@Injectable()
export class AppleSyncService implements ProviderSync {
  constructor(
    private readonly apple: OptionalApple,
    private readonly customers: CustomersStore,
    private readonly prices: PlanPricesStore,
    private readonly history: PaymentHistoryStore,
    private readonly subscriptions: ProviderSubscriptionsService,
    private readonly trials: TrialsService,
    private readonly clock: Clock,
  ) {}

  get isSetUp(): boolean {
    return this.apple.client !== undefined;
  }

  /**
   * @param originalTransactionId names the subscription
   * @param claimant who says that it is theirs; it is, unless it is somebody's already
   */
  async sync(originalTransactionId: string, fetchVersion: bigint, claimant?: string): Promise<SyncOutcome> {
    const client = this.apple.required();
    const found = await client.subscription(originalTransactionId);
    if (found === undefined) return { changed: false, deadLetterReason: 'refused_no_subscription' };
    const subscription = readAppleSubscription(found);
    const customer = await this.customerOf(subscription.providerRef, found.transaction, claimant);
    if (customer === undefined) return { changed: false, deadLetterReason: 'unknown_account' };
    // All that is asked for is asked for before anything is written.
    const transactions = await client.transactions(originalTransactionId);
    const plans = await this.prices.plansOf('apple');
    const fetched: FetchedSubscription = {
      ...subscription,
      provider: 'apple',
      planId: plans.get(subscription.priceRef),
    };
    const recorded = await this.subscriptions.record(customer.userId, [fetched], fetchVersion);
    const added = await this.addHistory({ subscription: subscription.providerRef, fetchVersion }, transactions);
    // Of two who claim at once it is one's.
    const isTheirs = (await this.subscriptions.ownerOf(subscription.providerRef)) === customer.userId;
    if (isTheirs && subscription.status === 'TRIAL') await this.trials.claim(subscription.providerRef, customer);
    return { changed: recorded || added, deadLetterReason: deadLetterReasonOf(fetched) };
  }

  /** One subscription, one account: whoever has it, else whom the purchase names, else whoever claims it. */
  private async customerOf(
    providerRef: string,
    { appAccountToken }: JWSTransactionDecodedPayload,
    claimant: string | undefined,
  ): Promise<ProviderCustomer | undefined> {
    const owner = await this.subscriptions.ownerOf(providerRef);
    if (owner !== undefined) return this.customers.byId(owner);
    const named = appAccountToken && (await this.customers.byAppleAccountToken(appAccountToken));
    return named || (claimant === undefined ? undefined : this.customers.byId(claimant));
  }

  private async addHistory(
    newest: FetchedFor,
    transactions: readonly JWSTransactionDecodedPayload[],
  ): Promise<boolean> {
    const added = await this.history.addOf(newest, 'apple', transactions.flatMap(appleMovements));
    const refunded = transactions.map((transaction) => refundedNow(transaction, this.clock.now()));
    const reversed = await this.history.reverseRefunds(newest, refunded);
    return added || reversed;
  }
}

function deadLetterReasonOf({ planId, status }: FetchedSubscription): SyncOutcome['deadLetterReason'] {
  if (planId === undefined) return 'unknown_price';
  return status === undefined ? 'unknown_status' : undefined;
}
