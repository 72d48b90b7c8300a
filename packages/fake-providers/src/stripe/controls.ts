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

/** Lets tests act as Stripe, its customers and their banks. */
export interface StripeControls {
  /** Stripe's time. */
  now(): Date;
  /** Moves Stripe's time forward, and runs each action that becomes due at its own time. */
  advanceTo(to: Date): void;
  advanceDays(days: number): void;
  /** Runs all actions that are due. Each request does this too. */
  catchUp(): void;
  changeSettings(settings: Partial<BillingSettings>): void;

  /** Submits the page of a Checkout session, with a valid card by default. */
  pay(session: string, payer?: { card?: string | null; email?: string }): CheckoutOutcome;
  /** Charges this card for all later payments of the customer. */
  replaceCard(customer: string, card?: string): Stripe.PaymentMethod;
  /** Pays the latest invoice of a subscription, like its hosted page. */
  payOpenInvoice(subscription: string): Outcome;
  /** Sets the status of a subscription to any value, for example one that Stripe adds in the future. */
  setStatus(subscription: string, status: string): void;
  /** The customer's bank declines charges: the given number of times, or until `acceptCharges`. */
  declineCharges(customer: string, code?: DeclineCode, times?: number): void;
  acceptCharges(customer: string): void;

  /** Makes a succeeded refund fail afterwards. */
  failRefund(refund: string): void;

  openDispute(charge: string, options?: DisputeOptions): Stripe.Dispute;
  /** Turns an inquiry into a chargeback. */
  escalateDispute(dispute: string): void;
  /** Submits evidence, so that the dispute is under review. */
  contestDispute(dispute: string): void;
  /** Closes the dispute. An inquiry gets the status `warning_closed` for both outcomes. */
  closeDispute(dispute: string, outcome: 'lost' | 'won'): void;

  /** Sends later events to this URL. @returns the endpoint's id, and the secret that signs the events. */
  deliverTo(url: string, options?: { events?: readonly string[]; secret?: string }): { id: string; secret: string };
  setDeliveryFaults(faults: DeliveryFaults): void;
  /** Keeps events instead of sending them, until `releaseDeliveries`. */
  holdDeliveries(): void;
  /** @param arrange gets the ids of the held events and returns those to send: reordered, repeated or left out. */
  releaseDeliveries(arrange?: (events: string[]) => string[]): void;
  /** Sends an event again, whether or not it was accepted before. */
  resend(event: string): Promise<void>;
  /** Starts all waiting retries now. */
  retryDeliveriesNow(): void;
  /** Resolves when every event that is neither dropped nor held was accepted or has used up its attempts. */
  deliveriesSettled(): Promise<void>;
  readonly deliveryAttempts: readonly Attempt[];

  inject(fault: Fault, scope?: FaultScope): void;
  clearFaults(): void;
  /** The number of requests that a fault keeps waiting now. */
  requestsHeld(): number;
  /** Counts all later requests whose `METHOD /path` matches. */
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

const validCard = '4242424242424242';

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
  /** Brings the state up to date, runs the action, and saves the result. */
  const run = <T>(action: () => T): T => {
    timeline.catchUp();
    const result = action();
    save();
    return result;
  };
  return {
    now: () => new Date(timeline.now()),
    advanceTo: (to) => run(() => timeline.advanceTo(to)),
    advanceDays: (days) => run(() => timeline.advanceTo(new Date(timeline.now() + days * 86_400_000))),
    catchUp: () => run(() => undefined),
    changeSettings: (settings) => {
      account.settings = { ...account.settings, ...settings };
    },

    pay: (session, { card = validCard, email = 'user@example.com' } = {}) =>
      run(() => checkout.pay(session, { card, email })),
    replaceCard: (customer, card = validCard) => run(() => customerActions.replaceCard(customer, card)),
    payOpenInvoice: (subscription) => run(() => customerActions.payOpenInvoice(subscription)),
    setStatus: (id, status) =>
      run(() => {
        const subscription = account.objects.subscriptions.get(id);
        account.change('customer.subscription.updated', subscription, { status: status });
      }),
    declineCharges: (customer, code = 'generic_decline', times) =>
      run(() => bank.decline(customer, code, times ?? null)),
    acceptCharges: (customer) => run(() => bank.accept(customer)),

    failRefund: (refund) => run(() => refunds.fail(refund)),

    openDispute: (charge, options) => run(() => disputes.open(charge, options)),
    escalateDispute: (dispute) => run(() => disputes.escalate(dispute)),
    contestDispute: (dispute) => run(() => disputes.contest(dispute)),
    closeDispute: (dispute, outcome) => run(() => disputes.close(dispute, outcome)),

    deliverTo: (url, { events, secret } = {}) => {
      const added = run(() => webhooks.ensure(url, events, secret));
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
