import { Injectable } from '@nestjs/common';
import { type JWSTransactionDecodedPayload } from '@apple/app-store-server-library';
import { Clock } from '../../platform/config/index.js';
import { type FetchedSubscription, ProviderSubscriptionsService, TrialsService } from '../../subscription/index.js';
import { type ProviderCustomer, CustomersStore } from '../customers/customers.store.js';
import { type FetchedFor, PaymentHistoryStore } from '../history/payment-history.store.js';
import { type ProviderSync, type SyncOutcome } from '../providers/provider-sync.js';
import { PlanPricesStore } from '../plans/plan-prices.store.js';
import { readAppleSubscription, appleMovements, currentRefund } from './apple-state.js';
import { OptionalApple } from './optional-apple.js';

/** Fetches a subscription and its payments from the App Store and stores the result. `ProviderFetchesService` says when. */
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
   * @param originalTransactionId identifies the subscription
   * @param claimant id of the user who claims it; they get it unless it belongs to another account
   */
  async sync(originalTransactionId: string, fetchVersion: bigint, claimant?: string): Promise<SyncOutcome> {
    const client = this.apple.required();
    const found = await client.subscription(originalTransactionId);
    if (found === undefined) return { changed: false, deadLetterReason: 'refused_no_subscription' };
    const subscription = readAppleSubscription(found);
    const customer = await this.customerOf(subscription.providerRef, found.transaction, claimant);
    if (customer === undefined) return { changed: false, deadLetterReason: 'unknown_account' };
    // Fetch everything before writing anything.
    const transactions = await client.transactions(originalTransactionId);
    const plans = await this.prices.plansOf('apple');
    const fetched: FetchedSubscription = {
      ...subscription,
      provider: 'apple',
      planId: plans.get(subscription.priceRef),
    };
    const recorded = await this.subscriptions.record(customer.userId, [fetched], fetchVersion);
    const added = await this.addHistory({ subscription: subscription.providerRef, fetchVersion }, transactions);
    // When two users claim it at once, only one becomes the owner.
    const isOwner = (await this.subscriptions.ownerOf(subscription.providerRef)) === customer.userId;
    if (isOwner && subscription.status === 'TRIAL') await this.trials.claim(subscription.providerRef, customer);
    return { changed: recorded || added, deadLetterReason: deadLetterReasonOf(fetched) };
  }

  /** A subscription has one account: its owner, else the account that the purchase names, else the claimant's. */
  private async customerOf(
    providerRef: string,
    { appAccountToken }: JWSTransactionDecodedPayload,
    claimant: string | undefined,
  ): Promise<ProviderCustomer | undefined> {
    const owner = await this.subscriptions.ownerOf(providerRef);
    if (owner !== undefined) return this.customers.byId(owner);
    const buyer = appAccountToken && (await this.customers.byAppleAccountToken(appAccountToken));
    return buyer || (claimant === undefined ? undefined : this.customers.byId(claimant));
  }

  private async addHistory(
    fetched: FetchedFor,
    transactions: readonly JWSTransactionDecodedPayload[],
  ): Promise<boolean> {
    const added = await this.history.addForSubscription(fetched, 'apple', transactions.flatMap(appleMovements));
    const refunded = transactions.map((transaction) => currentRefund(transaction, this.clock.now()));
    const reversed = await this.history.reverseRefunds(fetched, refunded);
    return added || reversed;
  }
}

function deadLetterReasonOf({ planId, status }: FetchedSubscription): SyncOutcome['deadLetterReason'] {
  if (planId === undefined) return 'unknown_price';
  return status === undefined ? 'unknown_status' : undefined;
}
