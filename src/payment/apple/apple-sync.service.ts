import { Injectable } from '@nestjs/common';
import { type JWSTransactionDecodedPayload } from '@apple/app-store-server-library';
import { Clock } from '../../platform/config/index.js';
import { type FetchedSubscription, ProviderSubscriptionsService, TrialsService } from '../../subscription/index.js';
import { type Customer, CustomersStore } from '../customers/customers.store.js';
import { type LookedUp, PaymentHistoryStore } from '../history/payment-history.store.js';
import { type ProviderSync, type SyncOutcome } from '../providers/provider-sync.js';
import { PlanPricesStore } from '../plans/plan-prices.store.js';
import { appleFacts, appleMovements, refundedNow } from './apple-state.js';
import { OptionalApple } from './optional-apple.js';

/** Looks up what the App Store knows of a subscription, and writes what it means. See `LookupsService` for why it asks, and when. */
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
  async sync(originalTransactionId: string, ticket: bigint, claimant?: string): Promise<SyncOutcome> {
    const client = this.apple.required();
    const found = await client.subscription(originalTransactionId);
    if (found === undefined) return { changed: false, parkedFor: 'refused_no_subscription' };
    const facts = appleFacts(found);
    const customer = await this.customerOf(facts.providerRef, found.transaction, claimant);
    if (customer === undefined) return { changed: false, parkedFor: 'unknown_account' };
    // All that is asked for is asked for before anything is written.
    const transactions = await client.transactions(originalTransactionId);
    const plans = await this.prices.plansOf('apple');
    const fetched: FetchedSubscription = { ...facts, provider: 'apple', planId: plans.get(facts.priceRef) };
    const recorded = await this.subscriptions.record(customer.userId, [fetched], ticket);
    const added = await this.addHistory({ subscription: facts.providerRef, ticket }, transactions);
    // Of two who claim at once it is one's.
    const isTheirs = (await this.subscriptions.ownerOf(facts.providerRef)) === customer.userId;
    if (isTheirs && facts.status === 'TRIAL') await this.trials.claim(facts.providerRef, customer);
    return { changed: recorded || added, parkedFor: reasonToPark(fetched) };
  }

  /** One subscription, one account: whoever has it, else whom the purchase names, else whoever claims it. */
  private async customerOf(
    providerRef: string,
    { appAccountToken }: JWSTransactionDecodedPayload,
    claimant: string | undefined,
  ): Promise<Customer | undefined> {
    const owner = await this.subscriptions.ownerOf(providerRef);
    if (owner !== undefined) return this.customers.byId(owner);
    const named = appAccountToken && (await this.customers.byAppleAccountToken(appAccountToken));
    return named || (claimant === undefined ? undefined : this.customers.byId(claimant));
  }

  private async addHistory(newest: LookedUp, transactions: readonly JWSTransactionDecodedPayload[]): Promise<boolean> {
    const added = await this.history.addOf(newest, 'apple', transactions.flatMap(appleMovements));
    const refunded = transactions.map((transaction) => refundedNow(transaction, this.clock.now()));
    const reversed = await this.history.reverseRefunds(newest, refunded);
    return added || reversed;
  }
}

function reasonToPark({ planId, status }: FetchedSubscription): SyncOutcome['parkedFor'] {
  if (planId === undefined) return 'unknown_price';
  return status === undefined ? 'unknown_status' : undefined;
}
