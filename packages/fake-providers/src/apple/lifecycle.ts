import {
  ExpirationIntent,
  NotificationTypeV2 as Type,
  Subtype,
  TransactionReason,
} from '@apple/app-store-server-library';
import { type Notifications } from './notifications.js';
import { type Product } from './products.js';
import { type State, type Subscription, type Transaction } from './state.js';
import { addTransaction } from './transactions.js';

/** "The App Store attempts to recover the subscription for up to 60 days." */
const retryMs = 60 * 86_400_000;

/**
 * Changes subscriptions as the customer, the customer's bank or the passing of time demand.
 * https://developer.apple.com/documentation/appstoreservernotifications/notificationtype
 */
export class Lifecycle {
  constructor(
    private readonly state: State,
    private readonly notifications: Notifications,
  ) {}

  /** Subscribes, resubscribes, or changes the product, depending on what the account has in the product's group. */
  buy(account: string, product: Product, appAccountToken?: string): Transaction {
    const owned = this.findOwned(account, product.group);
    if (!owned) return this.subscribe(account, product, appAccountToken);
    const isOver = this.state.status(owned) === 2 || this.state.status(owned) === 5;
    if (isOver) return this.resubscribe(owned, product);
    return this.changeProduct(owned, product);
  }

  /** Gives a member of the purchaser's family a separate subscription that ends with this one. */
  share(subscription: Subscription, account: string): Transaction {
    const { productId, expiresDate } = this.state.latest(subscription);
    const product = this.state.product(productId);
    const shared = this.create(account, product, undefined, subscription.originalTransactionId);
    const transaction = this.addPeriod(shared, product, TransactionReason.PURCHASE, this.state.now(), false);
    transaction.expiresDate = expiresDate;
    this.state.timeline.unschedule('renew', shared.originalTransactionId);
    this.notifications.notify(Type.SUBSCRIBED, Subtype.INITIAL_BUY, shared);
    return transaction;
  }

  setAutoRenew(subscription: Subscription, on: boolean): void {
    if (subscription.autoRenew === on) return;
    subscription.autoRenew = on;
    const subtype = on ? Subtype.AUTO_RENEW_ENABLED : Subtype.AUTO_RENEW_DISABLED;
    this.notifications.notify(Type.DID_CHANGE_RENEWAL_STATUS, subtype, subscription);
  }

  /** Runs at the end of a period: renews the subscription, or ends it with a reason. */
  renew(id: string): void {
    const subscription = this.state.subscription(id);
    if (this.state.status(subscription) !== 1) return;
    const { priceIncrease } = subscription;
    if (!subscription.autoRenew) {
      this.expire(subscription, ExpirationIntent.CUSTOMER_CANCELLED, Subtype.VOLUNTARY);
    } else if (priceIncrease && !priceIncrease.consented) {
      const intent = ExpirationIntent.CUSTOMER_DID_NOT_CONSENT_TO_PRICE_INCREASE;
      this.expire(subscription, intent, Subtype.PRICE_INCREASE);
    } else if (subscription.billingFails) this.failToRenew(subscription);
    else this.bill(subscription, this.state.latest(subscription).expiresDate);
  }

  /** Billing works again. In grace the new period follows the old one without a gap; after grace it starts now. */
  recover(subscription: Subscription): void {
    subscription.billingFails = false;
    if (subscription.retryingSince === undefined) return;
    const inGrace = subscription.graceUntil !== undefined;
    const from = inGrace ? this.state.latest(subscription).expiresDate : this.state.now();
    this.bill(subscription, from, Subtype.BILLING_RECOVERY);
  }

  endGrace(id: string): void {
    const subscription = this.state.subscription(id);
    if (subscription.graceUntil === undefined) return;
    delete subscription.graceUntil;
    this.notifications.notify(Type.GRACE_PERIOD_EXPIRED, undefined, subscription);
    this.forEachFamilyShare(subscription, (shared) =>
      this.expire(shared, ExpirationIntent.BILLING_ERROR, Subtype.BILLING_RETRY),
    );
  }

  endRetry(id: string): void {
    const subscription = this.state.subscription(id);
    if (subscription.retryingSince === undefined) return;
    delete subscription.retryingSince;
    this.expire(subscription, ExpirationIntent.BILLING_ERROR, Subtype.BILLING_RETRY);
  }

  /** Asks the customer for consent. Without it, the subscription ends with its period. */
  increasePrice(subscription: Subscription, price: number): void {
    subscription.priceIncrease = { price, consented: false };
    this.notifications.notify(Type.PRICE_INCREASE, Subtype.PENDING, subscription);
  }

  consent(subscription: Subscription): void {
    if (!subscription.priceIncrease) throw new Error('No price increase is waiting for consent.');
    subscription.priceIncrease.consented = true;
    this.notifications.notify(Type.PRICE_INCREASE, Subtype.ACCEPTED, subscription);
  }

  private subscribe(account: string, product: Product, appAccountToken?: string): Transaction {
    const subscription = this.create(account, product, appAccountToken);
    const isTrial = product.trialDays !== undefined;
    const transaction = this.addPeriod(subscription, product, TransactionReason.PURCHASE, this.state.now(), isTrial);
    this.notifications.notify(Type.SUBSCRIBED, Subtype.INITIAL_BUY, subscription);
    return transaction;
  }

  /** Continues the same original transaction after a gap. There is no second trial. */
  private resubscribe(subscription: Subscription, product: Product): Transaction {
    Object.assign(subscription, {
      autoRenew: true,
      expired: false,
      billingFails: false,
      recentStart: this.state.now(),
    });
    const transaction = this.addPeriod(subscription, product, TransactionReason.PURCHASE, this.state.now(), false);
    this.notifications.notify(Type.SUBSCRIBED, Subtype.RESUBSCRIBE, subscription);
    return transaction;
  }

  /**
   * An upgrade takes effect at once; a downgrade, a crossgrade or the return to the current product with the next renewal.
   * https://developer.apple.com/app-store/subscriptions/#ranking
   */
  private changeProduct(subscription: Subscription, product: Product): Transaction {
    const latest = this.state.latest(subscription);
    const current = this.state.product(latest.productId);
    if (product.level < current.level) {
      latest.isUpgraded = true;
      const transaction = this.addPeriod(subscription, product, TransactionReason.PURCHASE, this.state.now(), false);
      this.notifications.notify(Type.DID_CHANGE_RENEWAL_PREF, Subtype.UPGRADE, subscription);
      return transaction;
    }
    subscription.autoRenewProductId = product.id;
    const subtype = product.id === current.id ? undefined : Subtype.DOWNGRADE;
    this.notifications.notify(Type.DID_CHANGE_RENEWAL_PREF, subtype, subscription);
    return latest;
  }

  private bill(subscription: Subscription, from: number, subtype?: Subtype): void {
    const product = this.state.product(subscription.autoRenewProductId);
    if (subscription.priceIncrease) subscription.renewalPrice = subscription.priceIncrease.price;
    delete subscription.priceIncrease;
    this.addPeriod(subscription, product, TransactionReason.RENEWAL, from, false);
    this.notifications.notify(Type.DID_RENEW, subtype, subscription);
    this.forEachFamilyShare(subscription, (shared) => {
      this.addPeriod(shared, product, TransactionReason.RENEWAL, from, false);
      this.state.timeline.unschedule('renew', shared.originalTransactionId);
      this.notifications.notify(Type.DID_RENEW, subtype, shared);
    });
  }

  private failToRenew(subscription: Subscription): void {
    const now = this.state.now();
    const { graceDays } = this.state.app;
    subscription.retryingSince = now;
    const id = subscription.originalTransactionId;
    if (graceDays > 0) {
      subscription.graceUntil = now + graceDays * 86_400_000;
      this.state.timeline.schedule({ kind: 'endGrace', id, at: subscription.graceUntil });
    }
    this.state.timeline.schedule({ kind: 'endRetry', id, at: now + retryMs });
    const subtype = graceDays > 0 ? Subtype.GRACE_PERIOD : undefined;
    this.notifications.notify(Type.DID_FAIL_TO_RENEW, subtype, subscription);
    if (graceDays > 0) return;
    this.forEachFamilyShare(subscription, (shared) =>
      this.expire(shared, ExpirationIntent.BILLING_ERROR, Subtype.BILLING_RETRY),
    );
  }

  private expire(subscription: Subscription, intent: ExpirationIntent, subtype: Subtype): void {
    if (subscription.expired) return;
    Object.assign(subscription, { expired: true, expirationIntent: intent });
    delete subscription.graceUntil;
    delete subscription.priceIncrease;
    this.notifications.notify(Type.EXPIRED, subtype, subscription);
    this.forEachFamilyShare(subscription, (shared) => this.expire(shared, intent, subtype));
  }

  private create(account: string, product: Product, appAccountToken?: string, sharedFrom?: string): Subscription {
    const subscription: Subscription = {
      originalTransactionId: this.state.newTransactionId(),
      group: product.group,
      account,
      appAccountToken,
      sharedFrom,
      transactions: [],
      recentStart: this.state.now(),
      autoRenew: true,
      autoRenewProductId: product.id,
      billingFails: false,
      expired: false,
    };
    this.state.subscriptions.set(subscription.originalTransactionId, subscription);
    return subscription;
  }

  /** Adds a period and clears grace, billing retry and expiry. */
  private addPeriod(
    subscription: Subscription,
    product: Product,
    reason: TransactionReason,
    from: number,
    isTrial: boolean,
  ): Transaction {
    const id = subscription.originalTransactionId;
    const price = product.id === subscription.autoRenewProductId ? subscription.renewalPrice : undefined;
    const transaction = addTransaction(this.state, subscription, { product, reason, from, isTrial, price });
    Object.assign(subscription, { autoRenewProductId: product.id, expired: false });
    delete subscription.retryingSince;
    delete subscription.graceUntil;
    delete subscription.expirationIntent;
    for (const kind of ['endGrace', 'endRetry']) this.state.timeline.unschedule(kind, id);
    this.state.timeline.schedule({ kind: 'renew', id, at: transaction.expiresDate });
    return transaction;
  }

  private findOwned(account: string, group: string): Subscription | undefined {
    return [...this.state.subscriptions.values()].find(
      (one) => one.account === account && one.group === group && one.sharedFrom === undefined,
    );
  }

  private forEachFamilyShare({ originalTransactionId }: Subscription, action: (shared: Subscription) => void): void {
    for (const one of this.state.subscriptions.values()) {
      const isShared = one.sharedFrom === originalTransactionId && this.state.status(one) !== 5;
      if (isShared) action(one);
    }
  }
}
