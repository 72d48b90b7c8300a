import {
  Environment,
  type JWSRenewalInfoDecodedPayload,
  type JWSTransactionDecodedPayload,
  type NotificationTypeV2,
  type SendAttemptResult,
  type Subtype,
} from '@apple/app-store-server-library';
import { SeededRandom, type Timeline, type TimelineSnapshot } from '../common/index.js';
import { type Product } from './products.js';

/** The content of a transaction. `signedDate` is added when it is signed. */
export interface Transaction extends JWSTransactionDecodedPayload {
  readonly transactionId: string;
  readonly originalTransactionId: string;
  readonly productId: string;
  readonly purchaseDate: number;
  expiresDate: number;
}

/** A subscription of one Apple Account in one group, with all its renewals. Times in Unix milliseconds. */
export interface Subscription {
  readonly originalTransactionId: string;
  readonly group: string;
  /** The Apple Account that has it. The backend never sees it. */
  readonly account: string;
  readonly appAccountToken?: string;
  /** The purchaser's original transaction id, when this is a family share. */
  readonly sharedFrom?: string;
  /** Transaction ids, oldest first. */
  readonly transactions: string[];
  recentStart: number;
  autoRenew: boolean;
  autoRenewProductId: string;
  /** The bank declines until a test fixes billing. */
  billingFails: boolean;
  retryingSince?: number;
  graceUntil?: number;
  expirationIntent?: number;
  /** Ended, until the account resubscribes. */
  expired: boolean;
  priceIncrease?: { readonly price: number; consented: boolean };
  /** The price of renewals after the customer accepted a price increase. */
  renewalPrice?: number;
}

interface SendAttempt {
  readonly attemptDate: number;
  readonly sendAttemptResult: SendAttemptResult;
}

export interface Notification {
  readonly id: string;
  readonly type: NotificationTypeV2;
  readonly subtype?: Subtype;
  readonly signedDate: number;
  /** The subscription's state when the notification was created. It is signed when it is first sent or listed. */
  readonly transaction?: Transaction;
  readonly renewalInfo?: JWSRenewalInfoDecodedPayload;
  readonly status?: number;
  readonly attempts: SendAttempt[];
  accepted: boolean;
}

export interface StateSnapshot {
  readonly draws: number;
  readonly nextTransaction: number;
  readonly timeline: TimelineSnapshot;
  readonly subscriptions: readonly Subscription[];
  readonly transactions: readonly Transaction[];
  readonly notifications: readonly Notification[];
}

export interface App {
  readonly bundleId: string;
  /** Apple sends it only in production. */
  readonly appAppleId: number;
  readonly environment: Environment.PRODUCTION | Environment.SANDBOX;
  readonly products: readonly Product[];
  /** Length of the billing grace period, 0 for none. https://developer.apple.com/help/app-store-connect: 3, 16 or 28 days */
  readonly graceDays: number;
}

/** The state of the App Store. */
export class State {
  readonly subscriptions: Map<string, Subscription>;
  readonly transactions: Map<string, Transaction>;
  readonly notifications: Notification[];
  readonly random: SeededRandom;
  private nextTransaction: number;

  constructor(
    readonly app: App,
    readonly timeline: Timeline,
    seed: string,
    snapshot?: StateSnapshot,
  ) {
    this.random = new SeededRandom(seed, snapshot?.draws);
    this.nextTransaction = snapshot?.nextTransaction ?? 1_000_000 + this.random.integer(1_000_000);
    this.subscriptions = new Map(snapshot?.subscriptions.map((one) => [one.originalTransactionId, one]));
    this.transactions = new Map(snapshot?.transactions.map((one) => [one.transactionId, one]));
    this.notifications = [...(snapshot?.notifications ?? [])];
  }

  snapshot(): StateSnapshot {
    return {
      draws: this.random.draws,
      nextTransaction: this.nextTransaction,
      timeline: this.timeline.snapshot(),
      subscriptions: [...this.subscriptions.values()],
      transactions: [...this.transactions.values()],
      notifications: this.notifications,
    };
  }

  /** Unix milliseconds. */
  now(): number {
    return this.timeline.now();
  }

  /** Only digits. Ids of the sandbox start with 2000000. */
  newTransactionId(): string {
    const prefix = this.app.environment === Environment.SANDBOX ? '20000000' : '3500000';
    return prefix + String(this.nextTransaction++).padStart(8, '0');
  }

  product(id: string): Product {
    const product = this.app.products.find((one) => one.id === id);
    if (!product) throw new Error(`App Store Connect has no product ${id}.`);
    return product;
  }

  /** @throws {Error} when it does not exist, because the test passed a wrong id. */
  subscription(originalTransactionId: string): Subscription {
    const subscription = this.subscriptions.get(originalTransactionId);
    if (!subscription) throw new Error(`The App Store has no subscription ${originalTransactionId}.`);
    return subscription;
  }

  latest({ transactions }: Subscription): Transaction {
    const transaction = this.transactions.get(transactions.at(-1) ?? '');
    if (!transaction) throw new Error('The subscription has no transaction.');
    return transaction;
  }

  /** The content of the subscription's signed renewal info now. */
  renewalInfo(subscription: Subscription): JWSRenewalInfoDecodedPayload {
    const latest = this.latest(subscription);
    const next = this.product(subscription.autoRenewProductId);
    const { priceIncrease, expirationIntent, graceUntil, appAccountToken } = subscription;
    return {
      originalTransactionId: subscription.originalTransactionId,
      autoRenewProductId: subscription.autoRenewProductId,
      productId: latest.productId,
      autoRenewStatus: subscription.autoRenew ? 1 : 0,
      isInBillingRetryPeriod: subscription.retryingSince !== undefined,
      environment: this.app.environment,
      recentSubscriptionStartDate: subscription.recentStart,
      renewalDate: latest.expiresDate,
      currency: next.currency,
      renewalPrice: priceIncrease?.price ?? subscription.renewalPrice ?? next.price,
      ...(expirationIntent !== undefined && { expirationIntent }),
      ...(graceUntil !== undefined && { gracePeriodExpiresDate: graceUntil }),
      ...(priceIncrease && { priceIncreaseStatus: priceIncrease.consented ? 1 : 0 }),
      ...(appAccountToken !== undefined && { appAccountToken }),
    };
  }

  /** https://developer.apple.com/documentation/appstoreserverapi/status */
  status(subscription: Subscription): 1 | 2 | 3 | 4 | 5 {
    if (this.latest(subscription).revocationDate !== undefined) return 5;
    if (subscription.expired) return 2;
    if (subscription.retryingSince === undefined) return 1;
    return subscription.graceUntil === undefined ? 3 : 4;
  }
}
