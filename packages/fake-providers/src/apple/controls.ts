import { type RevocationReason } from '@apple/app-store-server-library';
import { type DeliveryFaults, type Fault, type Faults, type FaultScope, type RequestCount } from '../common/index.js';
import { type Lifecycle } from './lifecycle.js';
import { type Notifications } from './notifications.js';
import { type CertificateStatus } from './ocsp.js';
import { type Revocations } from './revocations.js';
import { type AppleServer } from './server.js';
import { type SignatureOverrides, type Signer } from './signer.js';
import { type State, type Transaction } from './state.js';

/** What the app gets for a purchase, and can post to the backend. */
export interface Purchase {
  readonly originalTransactionId: string;
  readonly transactionId: string;
  readonly signedTransaction: string;
}

interface PurchaseOptions {
  /** The Apple Account that buys; a new one by default. It has one subscription and one trial for each group. */
  readonly account?: string;
  readonly product?: string;
  /** The token that the app adds to the purchase: https://developer.apple.com/documentation/storekit/transaction/appaccounttoken */
  readonly appAccountToken?: string;
}

/** Lets tests act as the App Store, its customers and their banks. A subscription is named by its original transaction id. */
export interface AppleControls {
  /** The App Store's time. */
  now(): Date;
  /** Moves the App Store's time forward, and runs each action that becomes due at its own time. */
  advanceTo(to: Date): void;
  advanceDays(days: number): void;
  /** Runs all actions that are due. Each request does this too. */
  catchUp(): void;

  /** Buys a subscription, resubscribes after its end, or changes its product, depending on what the account has. */
  buy(options?: PurchaseOptions): Purchase;
  /** Shares it with a family member, whose transactions have no `appAccountToken`. */
  shareWithFamily(subscription: string): Purchase;
  /** Ends the share of one family member. */
  revokeFromFamily(shared: string): void;
  setAutoRenew(subscription: string, on: boolean): void;
  /** The bank declines renewals, until `fixBilling`. */
  breakBilling(subscription: string): void;
  /** Billing works again. In grace or in billing retry, the renewal is billed at once. */
  fixBilling(subscription: string): void;
  /** Asks the customer for consent. Without it the subscription ends with its period. */
  increasePrice(subscription: string, price: number): void;
  consentToPrice(subscription: string): void;
  /** Refunds one transaction: the latest or an older one. */
  refund(transaction: string, reason?: RevocationReason): void;
  /** Refunds the remaining time of a transaction. @param percentage of its price, such as 62.5 */
  refundPart(transaction: string, percentage: number): void;
  reverseRefund(transaction: string): void;
  declineRefund(transaction: string): void;
  /** What the app would post now: the latest transaction, signed now. */
  signedTransaction(subscription: string): string;

  /** Signs any payload, correctly or not, for tests with forged data. */
  sign(payload: object, overrides?: SignatureOverrides): string;
  /** The certificate status in OCSP responses; `down` sends no response. */
  setOcsp(status: CertificateStatus | 'down'): void;

  /** Sends all later notifications to this URL. */
  setNotificationUrl(url: string): void;
  setDeliveryFaults(faults: DeliveryFaults): void;
  /** Keeps notifications instead of sending them, until `releaseDeliveries`. */
  holdDeliveries(): void;
  /** @param arrange gets the UUIDs of the held notifications and returns those to send: reordered, repeated or left out. */
  releaseDeliveries(arrange?: (ids: string[]) => string[]): void;
  retryDeliveriesNow(): void;
  /** Resolves when every notification that is neither dropped nor held was accepted or has used up its attempts. */
  deliveriesSettled(): Promise<void>;

  inject(fault: Fault, scope?: FaultScope): void;
  clearFaults(): void;
  /** The number of requests that a fault keeps waiting now. */
  requestsHeld(): number;
  /** Counts all later requests whose `METHOD /path` matches. */
  countRequests(on: RegExp): RequestCount;
}

interface Parts {
  readonly state: State;
  readonly lifecycle: Lifecycle;
  readonly revocations: Revocations;
  readonly notifications: Notifications;
  readonly signer: Signer;
  readonly server: AppleServer;
  readonly faults: Faults;
  readonly save: () => void;
}

export function controls(parts: Parts): AppleControls {
  const { state, lifecycle, revocations, notifications, signer, server, faults, save } = parts;
  const { timeline } = state;
  /** Brings the state up to date, runs the action, and saves the result. */
  const run = <T>(action: () => T): T => {
    timeline.catchUp();
    const result = action();
    save();
    return result;
  };
  const purchase = (transaction: Transaction): Purchase => ({
    originalTransactionId: transaction.originalTransactionId,
    transactionId: transaction.transactionId,
    signedTransaction: notifications.signTransaction(transaction),
  });
  const find = (id: string) => state.subscription(id);
  return {
    now: () => new Date(timeline.now()),
    advanceTo: (to) => run(() => timeline.advanceTo(to)),
    advanceDays: (days) => run(() => timeline.advanceTo(new Date(timeline.now() + days * 86_400_000))),
    catchUp: () => run(() => undefined),

    buy: ({ account = state.random.uuid(), product = state.app.products[0]?.id ?? '', appAccountToken } = {}) =>
      run(() => purchase(lifecycle.buy(account, state.product(product), appAccountToken))),
    shareWithFamily: (id) => run(() => purchase(lifecycle.share(find(id), state.random.uuid()))),
    revokeFromFamily: (id) => run(() => revocations.revokeShared(find(id))),
    setAutoRenew: (id, on) => run(() => lifecycle.setAutoRenew(find(id), on)),
    breakBilling: (id) =>
      run(() => {
        find(id).billingFails = true;
      }),
    fixBilling: (id) => run(() => lifecycle.recover(find(id))),
    increasePrice: (id, price) => run(() => lifecycle.increasePrice(find(id), price)),
    consentToPrice: (id) => run(() => lifecycle.consent(find(id))),
    refund: (transaction, reason) => run(() => revocations.refund(transaction, reason)),
    refundPart: (transaction, percentage) => run(() => revocations.refund(transaction, undefined, percentage)),
    reverseRefund: (transaction) => run(() => revocations.reverse(transaction)),
    declineRefund: (transaction) => run(() => revocations.decline(transaction)),
    signedTransaction: (id) => run(() => notifications.signTransaction(state.latest(find(id)))),

    sign: (payload, overrides) => signer.sign(payload, overrides),
    setOcsp: (status) => {
      server.ocsp = status;
    },

    setNotificationUrl: (url) => {
      notifications.url = url;
    },
    setDeliveryFaults: (faults) => notifications.setDeliveryFaults(faults),
    holdDeliveries: () => notifications.hold(),
    releaseDeliveries: (arrange) => notifications.release(arrange),
    retryDeliveriesNow: () => notifications.retryNow(),
    deliveriesSettled: () => notifications.settled(),

    inject: (fault, scope) => faults.inject(fault, scope),
    clearFaults: () => faults.clear(),
    requestsHeld: () => faults.requestsHeld,
    countRequests: (on) => faults.countRequests(on),
  };
}
