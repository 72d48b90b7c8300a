import type Stripe from 'stripe';
import { type Account, idOf } from '../account.js';
import { day } from '../settings.js';
import { recurrenceOf } from '../shapes/products.js';
import { invoiceLine } from '../shapes/invoice.js';
import { itemOf } from '../shapes/subscription.js';
import { type Collection } from './collection.js';
import { type Cancellations } from './cancellations.js';
import { periodEnd } from './periods.js';

export interface Period {
  readonly start: number;
  readonly end: number;
}

/** Renews subscriptions when their period or trial ends. */
export class Renewals {
  constructor(
    private readonly account: Account,
    private readonly collection: Collection,
    private readonly cancellations: Cancellations,
  ) {}

  /** Schedules `customer.subscription.trial_will_end` three days before the end, or now when less time is left. */
  scheduleTrialWillEnd({ id, trial_end }: Stripe.Subscription): void {
    const at = Math.max((trial_end ?? 0) - 3 * day, this.account.now());
    this.account.schedule('trial_will_end', id, at);
  }

  trialWillEnd(id: string): void {
    const subscription = this.account.objects.subscriptions.get(id);
    if (subscription.status === 'trialing') this.account.emit('customer.subscription.trial_will_end', subscription);
  }

  /** Runs at the end of a period: cancels or pauses the subscription if due, else starts the next period. */
  renew(id: string): void {
    const { account } = this;
    const subscription = account.objects.subscriptions.get(id);
    if (subscription.cancel_at_period_end) {
      this.billPendingLines(subscription);
      this.cancellations.cancel(subscription, 'cancellation_requested');
      return;
    }
    if (subscription.status === 'trialing' && !this.hasPaymentMethod(subscription)) {
      const missing = subscription.trial_settings?.end_behavior.missing_payment_method;
      if (missing === 'cancel') return this.cancellations.cancel(subscription, 'cancellation_requested');
      if (missing === 'pause') return this.pause(subscription, 'trial_end_without_payment_method');
    }
    const { current_period_end: start, price } = itemOf(subscription);
    const period = { start, end: periodEnd(subscription.billing_cycle_anchor, recurrenceOf(price), start) };
    const status = subscription.status === 'trialing' ? 'active' : subscription.status;
    // While a subscription is unpaid, its invoices stay drafts and are not collected.
    const invoice = this.billPeriod(
      subscription,
      'subscription_cycle',
      period,
      status === 'unpaid' ? 'never' : 'later',
    );
    account.change('customer.subscription.updated', subscription, {
      items: withPeriod(subscription, period),
      latest_invoice: invoice.id,
      status,
    });
    account.schedule('renew', id, period.end);
  }

  /** Bills a whole period, and records the debit for later credits. */
  billPeriod(
    subscription: Stripe.Subscription,
    reason: 'subscription_create' | 'subscription_cycle' | 'subscription_update',
    period: Period,
    when: 'now' | 'later' | 'never',
  ): Stripe.Invoice {
    const { account } = this;
    const item = itemOf(subscription);
    const quantity = item.quantity ?? 1;
    const isTrial = reason === 'subscription_create' && subscription.status === 'trialing';
    const line = invoiceLine(account, subscription, {
      amount: isTrial ? 0 : (item.price.unit_amount ?? 0) * quantity,
      description: isTrial ? 'Trial period' : `${quantity} × ${idOf(item.price.product)}`,
      price: item.price,
      quantity,
      period,
      proration: null,
    });
    const debit = { amount: line.amount, ...period, price: item.price.id, line: line.id, invoice: null };
    account.hidden.debits[item.id] = [debit];
    const customer = account.customer(idOf(subscription.customer));
    // The invoice's own period "looks back one period for a subscription invoice". The new period is on the line.
    // https://docs.stripe.com/api/invoices/object#invoice_object-period_end
    const before = { start: item.current_period_start, end: item.current_period_end };
    const now = { start: account.now(), end: account.now() };
    const invoicePeriod = reason === 'subscription_cycle' ? before : now;
    return this.collection.bill({ subscription, customer, reason, lines: [line], period: invoicePeriod }, when);
  }

  pause(subscription: Stripe.Subscription, reason: 'pause_requested' | 'trial_end_without_payment_method'): void {
    this.account.timeline.unschedule('renew', subscription.id);
    this.account.change('customer.subscription.updated', subscription, {
      status: 'paused',
      status_details: {
        paused: { subscription: { type: reason }, transitioned_at: this.account.now(), type: 'subscription' },
      },
    });
    this.account.emit('customer.subscription.paused', subscription);
  }

  private hasPaymentMethod({ default_payment_method, customer }: Stripe.Subscription): boolean {
    const { invoice_settings } = this.account.customer(idOf(customer));
    return (default_payment_method ?? invoice_settings.default_payment_method) !== null;
  }

  /** "Any pending prorations are also left in place and collected at the end of the period." */
  private billPendingLines(subscription: Stripe.Subscription): void {
    const pending = this.account.objects.pendingLines.where((one) => one.subscription === subscription.id);
    if (pending.length === 0) return;
    const { current_period_start: start, current_period_end: end } = itemOf(subscription);
    const customer = this.account.customer(idOf(subscription.customer));
    const params = { subscription, customer, reason: 'subscription_cycle', lines: [], period: { start, end } } as const;
    const invoice = this.collection.bill(params, 'now');
    subscription.latest_invoice = invoice.id;
    this.collection.collect(invoice, false);
  }
}

/** The items of a subscription with a new period. */
function withPeriod(subscription: Stripe.Subscription, { start, end }: Period): Stripe.Subscription['items'] {
  const item = { ...itemOf(subscription), current_period_start: start, current_period_end: end };
  return { ...subscription.items, data: [item] };
}
