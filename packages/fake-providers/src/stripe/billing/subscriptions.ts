import type Stripe from 'stripe';
import { type Account, idOf } from '../account.js';
import { invalid, missing } from '../errors.js';
import { day } from '../settings.js';
import { recurrenceOf } from '../shapes/products.js';
import { itemOf, subscription as newSubscription } from '../shapes/subscription.js';
import { type Collection } from './collection.js';
import { type Cancellations } from './cancellations.js';
import { type Outcome } from './invoices.js';
import { periodEnd } from './periods.js';
import { type PriceChange, type PriceChanges } from './price-changes.js';
import { type Renewals } from './renewals.js';

export interface SubscriptionStart {
  readonly customer: string;
  readonly price: string;
  readonly quantity: number;
  readonly trialDays: number | null;
  readonly paymentMethod: string | null;
  readonly missingPaymentMethod: 'cancel' | 'create_invoice' | 'pause';
  readonly metadata: Stripe.Metadata;
}

export interface SubscriptionUpdate {
  readonly cancelAtPeriodEnd?: boolean;
  readonly cancellationDetails?: Partial<Stripe.Subscription.CancellationDetails>;
  readonly defaultPaymentMethod?: string;
  readonly metadata?: Stripe.Metadata;
  readonly trialEnd?: 'now' | number;
  readonly priceChange?: PriceChange;
}

/** The lifecycle of a subscription, as far as requests change it. https://docs.stripe.com/billing/subscriptions/overview */
export class Subscriptions {
  constructor(
    private readonly account: Account,
    private readonly collection: Collection,
    private readonly renewals: Renewals,
    private readonly cancellations: Cancellations,
    private readonly priceChanges: PriceChanges,
  ) {}

  /** Starts a subscription, and tries to collect its first invoice. @returns the outcome; always `paid` for a trial. */
  start(params: SubscriptionStart): { subscription: Stripe.Subscription; outcome: Outcome } {
    const { account } = this;
    const now = account.now();
    const customer = account.customer(params.customer, 'customer');
    const price = account.objects.prices.get(params.price, 'price');
    const trialEnd = params.trialDays === null ? null : now + params.trialDays * day;
    const end = trialEnd ?? periodEnd(now, recurrenceOf(price), now);
    const subscription = account.objects.subscriptions.add(
      newSubscription(account, {
        customer,
        price,
        quantity: params.quantity,
        status: trialEnd === null ? 'incomplete' : 'trialing',
        anchor: trialEnd ?? now,
        period: { start: now, end },
        trialEnd,
        defaultPaymentMethod: params.paymentMethod,
        missingPaymentMethod: params.missingPaymentMethod,
        metadata: params.metadata,
      }),
    );
    const invoice = this.renewals.billPeriod(subscription, 'subscription_create', { start: now, end }, 'now');
    subscription.latest_invoice = invoice.id;
    account.emit('customer.subscription.created', subscription);
    account.schedule('renew', subscription.id, end);
    if (trialEnd !== null) this.renewals.scheduleTrialWillEnd(subscription);
    return { subscription, outcome: this.collection.collect(invoice, true) };
  }

  update(id: string, update: SubscriptionUpdate): Stripe.Subscription {
    const { account } = this;
    const subscription = account.objects.subscriptions.get(id);
    const { cancelAtPeriodEnd, cancellationDetails, defaultPaymentMethod, metadata, trialEnd, priceChange } = update;
    const isOver = subscription.status === 'canceled' || subscription.status === 'incomplete_expired';
    if (isOver && (cancelAtPeriodEnd ?? defaultPaymentMethod ?? trialEnd ?? priceChange) !== undefined) {
      throw invalid('A canceled subscription can only update its cancellation_details and metadata.');
    }
    if (defaultPaymentMethod !== undefined)
      account.objects.paymentMethods.get(defaultPaymentMethod, 'default_payment_method');
    if (priceChange) this.priceChanges.apply(subscription, priceChange);
    const cancellation = cancelAtPeriodEnd === undefined ? {} : this.cancellation(subscription, cancelAtPeriodEnd);
    const details = cancellation.cancellation_details ?? subscription.cancellation_details;
    account.change('customer.subscription.updated', subscription, {
      ...cancellation,
      cancellation_details: { ...noDetails, ...details, ...cancellationDetails },
      ...(defaultPaymentMethod !== undefined && { default_payment_method: defaultPaymentMethod }),
      ...(metadata && { metadata: { ...subscription.metadata, ...metadata } }),
    });
    if (trialEnd !== undefined) this.moveTrialEnd(subscription, trialEnd);
    return subscription;
  }

  /** Cancels at once. @throws {ApiError} resource_missing when the subscription has already ended. */
  cancel(
    id: string,
    prorate: boolean,
    invoiceNow: boolean,
    details?: Partial<Stripe.Subscription.CancellationDetails>,
  ) {
    const subscription = this.account.objects.subscriptions.get(id);
    if (subscription.status === 'canceled' || subscription.status === 'incomplete_expired') {
      throw missing('subscription', id);
    }
    if (prorate) {
      const credits = this.priceChanges.credits(subscription, this.account.now());
      if (invoiceNow && credits.length > 0) this.priceChanges.invoiceNow(subscription, credits);
    }
    this.cancellations.cancel(subscription, 'cancellation_requested', details);
    return subscription;
  }

  pause(id: string): Stripe.Subscription {
    const subscription = this.account.objects.subscriptions.get(id);
    if (subscription.status !== 'active' && subscription.status !== 'trialing') {
      throw invalid(`You can't pause a subscription that is ${subscription.status}.`);
    }
    for (const line of this.priceChanges.credits(subscription, this.account.now())) {
      this.account.objects.pendingLines.add({ id: line.id, subscription: id, line });
    }
    this.renewals.pause(subscription, 'pause_requested');
    return subscription;
  }

  /** Activates a paused subscription, and bills a new period that starts now. */
  resume(id: string): Stripe.Subscription {
    const { account } = this;
    const subscription = account.objects.subscriptions.get(id);
    if (subscription.status !== 'paused') throw invalid('The subscription is not paused.');
    const start = account.now();
    const period = { start, end: periodEnd(start, recurrenceOf(itemOf(subscription).price), start) };
    const { items } = subscription;
    const item = { ...itemOf(subscription), current_period_start: start, current_period_end: period.end };
    const invoice = this.renewals.billPeriod(subscription, 'subscription_update', period, 'now');
    account.change('customer.subscription.updated', subscription, {
      billing_cycle_anchor: start,
      items: { ...items, data: [item] },
      latest_invoice: invoice.id,
      status: 'active',
      status_details: undefined,
    });
    account.schedule('renew', id, period.end);
    account.emit('customer.subscription.resumed', subscription);
    this.collection.collect(invoice, false);
    return subscription;
  }

  private cancellation(subscription: Stripe.Subscription, atPeriodEnd: boolean): Partial<Stripe.Subscription> {
    if (!atPeriodEnd) {
      const cancellation_details = { ...noDetails, ...subscription.cancellation_details, reason: null };
      return { cancel_at: null, cancel_at_period_end: false, canceled_at: null, cancellation_details };
    }
    if (subscription.cancel_at_period_end) return {};
    return {
      cancel_at: itemOf(subscription).current_period_end,
      cancel_at_period_end: true,
      canceled_at: this.account.now(),
      cancellation_details: { ...noDetails, ...subscription.cancellation_details, reason: 'cancellation_requested' },
    };
  }

  private moveTrialEnd(subscription: Stripe.Subscription, to: 'now' | number): void {
    if (subscription.status !== 'trialing')
      throw invalid('The subscription is not in a trial.', { param: 'trial_end' });
    const now = this.account.now();
    const end = to === 'now' ? now : to;
    if (end < now)
      throw invalid('Invalid timestamp: must be an integer Unix timestamp in the future.', { param: 'trial_end' });
    const item = { ...itemOf(subscription), current_period_end: end };
    this.account.change('customer.subscription.updated', subscription, {
      billing_cycle_anchor: end,
      items: { ...subscription.items, data: [item] },
      trial_end: end,
    });
    this.renewals.scheduleTrialWillEnd(subscription);
    this.account.schedule('renew', subscription.id, end);
    this.account.timeline.catchUp();
  }

  /** Cancels all subscriptions of a customer that is deleted. https://docs.stripe.com/api/customers/delete */
  cancelAllOf(customer: string): void {
    const running = this.account.objects.subscriptions.where(
      (one) => idOf(one.customer) === customer && !['canceled', 'incomplete_expired'].includes(one.status),
    );
    for (const subscription of running) this.cancellations.cancel(subscription, 'cancellation_requested');
  }
}

const noDetails = { comment: null, feedback: null, feedback_option: null, reason: null };
