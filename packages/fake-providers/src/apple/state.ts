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

/** What a transaction says; `signedDate` comes with the signature. */
export interface Transaction extends JWSTransactionDecodedPayload {
  readonly transactionId: string;
  readonly originalTransactionId: string;
  readonly productId: string;
  readonly purchaseDate: number;
  expiresDate: number;
}

/** A subscription of one person in one group, over all its renewals. Times in Unix milliseconds. */
export interface Subscription {
  readonly originalTransactionId: string;
  readonly group: string;
  /** Whose it is: an Apple Account, which the backend never sees. */
  readonly account: string;
  readonly appAccountToken?: string;
  /** The purchaser's, when the family shares it. */
  readonly sharedFrom?: string;
  /** Ids, oldest first. */
  readonly transactions: string[];
  recentStart: number;
  autoRenew: boolean;
  autoRenewProductId: string;
  /** Fails until somebody mends it. */
  billingFails: boolean;
  retryingSince?: number;
  graceUntil?: number;
  expirationIntent?: number;
  /** Ended for good, until the person subscribes again. */
  expired: boolean;
  priceIncrease?: { readonly price: number; consented: boolean };
  /** What renewals cost, once a price increase was accepted. */
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
  /** What it tells, as it was then; signed when it is first shown. */
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
  /** Only production names it. */
  readonly appAppleId: number;
  readonly environment: Environment.PRODUCTION | Environment.SANDBOX;
  readonly products: readonly Product[];
  /** Of billing grace, in days; 0 for none. https://developer.apple.com/help/app-store-connect: 3, 16 or 28 */
  readonly graceDays: number;
}

/** What the App Store knows. */
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

  /** Digits; those of the sandbox begin with 2000000. */
  newTransactionId(): string {
    const prefix = this.app.environment === Environment.SANDBOX ? '20000000' : '3500000';
    return prefix + String(this.nextTransaction++).padStart(8, '0');
  }

  product(id: string): Product {
    const product = this.app.products.find((one) => one.id === id);
    if (!product) throw new Error(`App Store Connect has no product ${id}.`);
    return product;
  }

  /** @throws {Error} when there is none: tests name what they have bought. */
  subscription(originalTransactionId: string): Subscription {
    const subscription = this.subscriptions.get(originalTransactionId);
    if (!subscription) throw new Error(`The App Store has no subscription ${originalTransactionId}.`);
    return subscription;
  }

  latest({ transactions }: Subscription): Transaction {
    const transaction = this.transactions.get(transactions.at(-1) ?? '');
    if (!transaction) throw new Error('A subscription without a transaction.');
    return transaction;
  }

  /** What the signed renewal info of a subscription says now. */
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
