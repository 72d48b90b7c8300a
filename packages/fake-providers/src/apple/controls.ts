import { type RevocationReason } from '@apple/app-store-server-library';
import { type DeliveryFaults, type Fault, type Faults, type FaultScope, type RequestCount } from '../common/index.js';
import { type Lifecycle } from './lifecycle.js';
import { type Notifications } from './notifications.js';
import { type CertificateStatus } from './ocsp.js';
import { type Revocations } from './revocations.js';
import { type AppleServer } from './server.js';
import { type SignatureOverrides, type Signer } from './signer.js';
import { type State, type Transaction } from './state.js';

/** What a person gets on their device: it can be posted to the backend. */
export interface Purchase {
  readonly originalTransactionId: string;
  readonly transactionId: string;
  readonly signedTransaction: string;
}

interface PurchaseOptions {
  /** Which Apple Account buys; a new one by default. It subscribes to a group once, and has one trial of it. */
  readonly account?: string;
  readonly product?: string;
  /** What the app puts into the purchase: https://developer.apple.com/documentation/storekit/transaction/appaccounttoken */
  readonly appAccountToken?: string;
}

/** What tests do to the App Store, its customers and their banks. Subscriptions are named by their original transaction. */
export interface AppleControls {
  /** The App Store's own time. */
  now(): Date;
  /** Moves its time on, and does everything that falls due on the way, each at its time. */
  advanceTo(to: Date): void;
  advanceDays(days: number): void;
  /** Does what has fallen due by the clock; every request does so by itself. */
  catchUp(): void;

  /** Buys, buys again after the end, or moves to another product: what it is for this account now. */
  buy(options?: PurchaseOptions): Purchase;
  /** A member of the family gets it too. It names no `appAccountToken`. */
  shareWithFamily(subscription: string): Purchase;
  /** The member loses it. */
  revokeFromFamily(shared: string): void;
  setAutoRenew(subscription: string, on: boolean): void;
  /** The bank declines renewals, until `fixBilling`. */
  breakBilling(subscription: string): void;
  /** Billing works again; what is in grace or retried is billed at once. */
  fixBilling(subscription: string): void;
  /** Asks for consent; who does not give it loses the subscription at the end of the period. */
  increasePrice(subscription: string, price: number): void;
  consentToPrice(subscription: string): void;
  /** Of one transaction, the latest or an older one. */
  refund(transaction: string, reason?: RevocationReason): void;
  /** Of what is left of its time. @param percentage of its price, such as 62.5 */
  refundPart(transaction: string, percentage: number): void;
  reverseRefund(transaction: string): void;
  declineRefund(transaction: string): void;
  /** What a device would post now: the latest transaction, signed now. */
  signedTransaction(subscription: string): string;

  /** Signs anything, or something wrongly: what forgers and faults produce. */
  sign(payload: object, overrides?: SignatureOverrides): string;
  /** What OCSP says of the certificates, or that it says nothing. */
  setOcsp(status: CertificateStatus | 'down'): void;

  /** Sends all later notifications to this URL. */
  setNotificationUrl(url: string): void;
  setDeliveryFaults(faults: DeliveryFaults): void;
  /** Keeps notifications instead of sending them, until they are released. */
  holdDeliveries(): void;
  /** @param arrange what to send, by notification UUID, given what was held: in another order, twice, or not at all. */
  releaseDeliveries(arrange?: (ids: string[]) => string[]): void;
  retryDeliveriesNow(): void;
  /** Resolves when every notification that was not dropped or held has been accepted or given up. */
  deliveriesSettled(): Promise<void>;

  inject(fault: Fault, scope?: FaultScope): void;
  clearFaults(): void;
  /** How many requests a fault holds up at this moment. */
  requestsHeld(): number;
  /** Counts the requests where `METHOD /path` matches, from now on. */
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
  readonly changed: () => void;
}

export function controls(parts: Parts): AppleControls {
  const { state, lifecycle, revocations, notifications, signer, server, faults, changed } = parts;
  const { timeline } = state;
  /** On the state of this moment, and kept afterwards. */
  const now = <T>(act: () => T): T => {
    timeline.catchUp();
    const result = act();
    changed();
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
    advanceTo: (to) => now(() => timeline.advanceTo(to)),
    advanceDays: (days) => now(() => timeline.advanceTo(new Date(timeline.now() + days * 86_400_000))),
    catchUp: () => now(() => undefined),

    buy: ({ account = state.random.uuid(), product = state.app.products[0]?.id ?? '', appAccountToken } = {}) =>
      now(() => purchase(lifecycle.buy(account, state.product(product), appAccountToken))),
    shareWithFamily: (id) => now(() => purchase(lifecycle.share(find(id), state.random.uuid()))),
    revokeFromFamily: (id) => now(() => revocations.revokeShared(find(id))),
    setAutoRenew: (id, on) => now(() => lifecycle.setAutoRenew(find(id), on)),
    breakBilling: (id) =>
      now(() => {
        find(id).billingFails = true;
      }),
    fixBilling: (id) => now(() => lifecycle.recover(find(id))),
    increasePrice: (id, price) => now(() => lifecycle.increasePrice(find(id), price)),
    consentToPrice: (id) => now(() => lifecycle.consent(find(id))),
    refund: (transaction, reason) => now(() => revocations.refund(transaction, reason)),
    refundPart: (transaction, percentage) => now(() => revocations.refund(transaction, undefined, percentage)),
    reverseRefund: (transaction) => now(() => revocations.reverse(transaction)),
    declineRefund: (transaction) => now(() => revocations.decline(transaction)),
    signedTransaction: (id) => now(() => notifications.signTransaction(state.latest(find(id)))),

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
    requestsHeld: () => faults.held,
    countRequests: (on) => faults.countRequests(on),
  };
}
