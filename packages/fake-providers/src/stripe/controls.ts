import type Stripe from 'stripe';
import { type DeliveryFaults, type Fault, type Faults, type FaultScope, type RequestCount } from '../common/index.js';
import { type Account } from './account.js';
import { type Bank } from './billing/bank.js';
import { type Outcome } from './billing/invoices.js';
import { type Checkout, type CheckoutOutcome } from './checkout.js';
import { type DisputeOptions, type Disputes } from './disputes.js';
import { type DeclineCode } from './hidden.js';
import { type CustomerActions } from './customer-actions.js';
import { type Refunds } from './refunds.js';
import { type BillingSettings } from './settings.js';
import { type Attempt, type Webhooks } from './webhooks.js';

/** What tests do to Stripe, its customers and their banks. */
export interface StripeControls {
  /** Stripe's own time. */
  now(): Date;
  /** Moves Stripe's time on, and does everything that falls due on the way, each at its time. */
  advanceTo(to: Date): void;
  advanceDays(days: number): void;
  /** Does what has fallen due by the clock; every request does so by itself. */
  catchUp(): void;
  changeSettings(settings: Partial<BillingSettings>): void;

  /** Submits the page of a Checkout session; by a good card, if none is named. */
  pay(session: string, payer?: { card?: string | null; email?: string }): CheckoutOutcome;
  /** Everything that the customer pays is paid by this card from now on. */
  replaceCard(customer: string, card?: string): Stripe.PaymentMethod;
  /** Pays the latest invoice of a subscription, as its page would. */
  payOpenInvoice(subscription: string): Outcome;
  /** Gives a subscription a status that Stripe may have some day. */
  setStatus(subscription: string, status: string): void;
  /** The customer's bank declines, so many times or until `acceptCharges`. */
  declineCharges(customer: string, code?: DeclineCode, times?: number): void;
  acceptCharges(customer: string): void;

  /** A refund that succeeded fails after all. */
  failRefund(refund: string): void;

  openDispute(charge: string, options?: DisputeOptions): Stripe.Dispute;
  /** An inquiry becomes a chargeback. */
  escalateDispute(dispute: string): void;
  /** The dispute goes under review. */
  contestDispute(dispute: string): void;
  /** An inquiry becomes `warning_closed`, either way. */
  closeDispute(dispute: string, outcome: 'lost' | 'won'): void;

  /** Sends events there from now on. @returns what they are signed with. */
  deliverTo(url: string, options?: { events?: readonly string[]; secret?: string }): { id: string; secret: string };
  setDeliveryFaults(faults: DeliveryFaults): void;
  /** Keeps events instead of sending them, until they are released. */
  holdDeliveries(): void;
  /** @param arrange what to send, by id, given what was held: in another order, twice, or not at all. */
  releaseDeliveries(arrange?: (events: string[]) => string[]): void;
  /** Sends an event again, whatever became of it. */
  resend(event: string): Promise<void>;
  /** Does not wait for the time of the next attempts. */
  retryDeliveriesNow(): void;
  /** Resolves when every event that was not dropped or held has been accepted or given up. */
  deliveriesSettled(): Promise<void>;
  readonly deliveryAttempts: readonly Attempt[];

  inject(fault: Fault, scope?: FaultScope): void;
  clearFaults(): void;
  /** How many requests a fault holds up at this moment. */
  requestsHeld(): number;
  /** Counts the requests where `METHOD /path` matches, from now on. */
  countRequests(on: RegExp): RequestCount;
}

interface Parts {
  readonly account: Account;
  readonly bank: Bank;
  readonly checkout: Checkout;
  readonly disputes: Disputes;
  readonly customerActions: CustomerActions;
  readonly refunds: Refunds;
  readonly faults: Faults;
  readonly webhooks: Webhooks;
  readonly save: () => void;
}

const goodCard = '4242424242424242';

export function controls({
  account,
  bank,
  checkout,
  disputes,
  customerActions,
  refunds,
  faults,
  webhooks,
  save,
}: Parts): StripeControls {
  const { timeline } = account;
  /** On the state of this moment, and kept afterwards. */
  const now = <T>(act: () => T): T => {
    timeline.catchUp();
    const result = act();
    save();
    return result;
  };
  return {
    now: () => new Date(timeline.now()),
    advanceTo: (to) => now(() => timeline.advanceTo(to)),
    advanceDays: (days) => now(() => timeline.advanceTo(new Date(timeline.now() + days * 86_400_000))),
    catchUp: () => now(() => undefined),
    changeSettings: (settings) => {
      account.settings = { ...account.settings, ...settings };
    },

    pay: (session, { card = goodCard, email = 'person@example.com' } = {}) =>
      now(() => checkout.pay(session, { card, email })),
    replaceCard: (customer, card = goodCard) => now(() => customerActions.replaceCard(customer, card)),
    payOpenInvoice: (subscription) => now(() => customerActions.payOpenInvoice(subscription)),
    setStatus: (id, status) =>
      now(() => {
        const subscription = account.objects.subscriptions.get(id);
        account.change('customer.subscription.updated', subscription, { status: status });
      }),
    declineCharges: (customer, code = 'generic_decline', times) =>
      now(() => bank.decline(customer, code, times ?? null)),
    acceptCharges: (customer) => now(() => bank.accept(customer)),

    failRefund: (refund) => now(() => refunds.fail(refund)),

    openDispute: (charge, options) => now(() => disputes.open(charge, options)),
    escalateDispute: (dispute) => now(() => disputes.escalate(dispute)),
    contestDispute: (dispute) => now(() => disputes.contest(dispute)),
    closeDispute: (dispute, outcome) => now(() => disputes.close(dispute, outcome)),

    deliverTo: (url, { events, secret } = {}) => {
      const added = now(() => webhooks.ensure(url, events, secret));
      return { id: added.endpoint.id, secret: added.secret };
    },
    setDeliveryFaults: (faults) => webhooks.setDeliveryFaults(faults),
    holdDeliveries: () => webhooks.hold(),
    releaseDeliveries: (arrange) => webhooks.release(arrange),
    resend: (event) => webhooks.resend(event),
    retryDeliveriesNow: () => webhooks.retryNow(),
    deliveriesSettled: () => webhooks.settled(),
    deliveryAttempts: webhooks.attempts,

    inject: (fault, scope) => faults.inject(fault, scope),
    clearFaults: () => faults.clear(),
    requestsHeld: () => faults.requestsHeld,
    countRequests: (on) => faults.countRequests(on),
  };
}
