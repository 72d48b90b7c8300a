import { NotificationTypeV2 as Type, RevocationReason, RevocationType } from '@apple/app-store-server-library';
import { type Notifications } from './notifications.js';
import { type State, type Subscription, type Transaction } from './state.js';

/** Refunds, reversed refunds and ended family shares. https://developer.apple.com/documentation/storekit/handling-refund-notifications */
export class Revocations {
  constructor(
    private readonly state: State,
    private readonly notifications: Notifications,
  ) {}

  /**
   * Refunds one transaction. This revokes the subscription when the transaction is its latest one. A partial refund is "based
   * on time remaining" and revokes too: https://developer.apple.com/documentation/storekit/transaction/revocationpercentage
   */
  refund(transactionId: string, reason = RevocationReason.REFUNDED_FOR_OTHER_REASON, percentage = 100): void {
    const { transaction, subscription } = this.find(transactionId);
    this.revoke(transaction, percentage < 100 ? RevocationType.REFUND_PRORATED : RevocationType.REFUND_FULL, reason);
    // In milliunits: https://developer.apple.com/documentation/appstoreserverapi/revocationpercentage
    transaction.revocationPercentage = Math.round(percentage * 1000);
    this.notifications.notify(Type.REFUND, undefined, subscription, transaction);
    // "Sent when … the purchaser receives a refund": the family shares are revoked too.
    const isLatest = this.state.latest(subscription) === transaction;
    if (isLatest) for (const shared of this.familySharesOf(subscription)) this.revokeShared(shared);
  }

  /** "The App Store reversed a previously granted refund due to a dispute that the customer raised." */
  reverse(transactionId: string): void {
    const { transaction, subscription } = this.find(transactionId);
    if (transaction.revocationDate === undefined) throw new Error(`${transactionId} was not refunded.`);
    delete transaction.revocationDate;
    delete transaction.revocationReason;
    delete transaction.revocationType;
    delete transaction.revocationPercentage;
    const isOver = transaction.expiresDate <= this.state.now();
    if (isOver && this.state.latest(subscription) === transaction) subscription.expired = true;
    this.notifications.notify(Type.REFUND_REVERSED, undefined, subscription, transaction);
  }

  /** "The App Store declined a refund request." */
  decline(transactionId: string): void {
    const { transaction, subscription } = this.find(transactionId);
    this.notifications.notify(Type.REFUND_DECLINED, undefined, subscription, transaction);
  }

  /** Ends the share of one family member. */
  revokeShared(subscription: Subscription): void {
    if (subscription.sharedFrom === undefined)
      throw new Error('Only a family share can be revoked. Use refund for a purchase.');
    const transaction = this.state.latest(subscription);
    this.revoke(transaction, RevocationType.FAMILY_REVOKE, RevocationReason.REFUNDED_FOR_OTHER_REASON);
    this.notifications.notify(Type.REVOKE, undefined, subscription, transaction);
  }

  private revoke(transaction: Transaction, type: RevocationType, reason: RevocationReason): void {
    if (transaction.revocationDate !== undefined) throw new Error(`${transaction.transactionId} is already revoked.`);
    const revocation = { revocationDate: this.state.now(), revocationReason: reason, revocationType: type };
    Object.assign(transaction, revocation);
  }

  private find(transactionId: string): { transaction: Transaction; subscription: Subscription } {
    const transaction = this.state.transactions.get(transactionId);
    if (!transaction) throw new Error(`The App Store has no transaction ${transactionId}.`);
    return { transaction, subscription: this.state.subscription(transaction.originalTransactionId) };
  }

  private familySharesOf({ originalTransactionId }: Subscription): Subscription[] {
    const all = [...this.state.subscriptions.values()];
    return all.filter((one) => one.sharedFrom === originalTransactionId && this.state.status(one) !== 5);
  }
}
