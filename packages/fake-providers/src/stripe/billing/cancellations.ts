import type Stripe from 'stripe';
import { type Account } from '../account.js';
import { itemOf } from '../shapes/subscription.js';
import { type Invoices } from './invoices.js';

/** Cancels and expires subscriptions. A canceled subscription cannot be reactivated: https://docs.stripe.com/billing/subscriptions/cancel */
export class Cancellations {
  constructor(
    private readonly account: Account,
    private readonly invoices: Invoices,
  ) {}

  cancel(
    subscription: Stripe.Subscription,
    reason: Stripe.Subscription.CancellationDetails.Reason,
    details: Partial<Stripe.Subscription.CancellationDetails> = {},
  ): void {
    const now = this.account.now();
    this.stopCollecting(subscription);
    for (const kind of ['renew', 'trial_will_end', 'incomplete_expire']) {
      this.account.timeline.unschedule(kind, subscription.id);
    }
    Object.assign(subscription, {
      canceled_at: subscription.canceled_at ?? now,
      cancellation_details: { ...noDetails, ...subscription.cancellation_details, ...details, reason },
      ended_at: now,
      status: 'canceled',
    } satisfies Partial<Stripe.Subscription>);
    delete this.account.hidden.debits[itemOf(subscription).id];
    this.account.emit('customer.subscription.deleted', subscription);
  }

  /** When the first invoice is not paid within 23 hours, it is voided and the subscription expires. */
  expireIncomplete(id: string): void {
    const subscription = this.account.objects.subscriptions.get(id);
    if (subscription.status !== 'incomplete') return;
    for (const invoice of this.invoices.unsettled(id)) this.invoices.void(invoice);
    this.account.timeline.unschedule('renew', id);
    this.account.change('customer.subscription.updated', subscription, {
      ended_at: this.account.now(),
      status: 'incomplete_expired',
    });
  }

  /** "By default, upon subscription cancellation, we stop automatic collection of all finalized invoices". */
  private stopCollecting({ id }: Stripe.Subscription): void {
    for (const invoice of this.invoices.unsettled(id)) {
      this.account.timeline.unschedule('finalize', invoice.id);
      this.account.timeline.unschedule('retry', invoice.id);
      this.account.change('invoice.updated', invoice, {
        auto_advance: false,
        automatically_finalizes_at: null,
        next_payment_attempt: null,
      });
    }
    for (const { id: line } of this.account.objects.pendingLines.where(({ subscription }) => subscription === id)) {
      this.account.objects.pendingLines.delete(line);
    }
  }
}

const noDetails = { comment: null, feedback: null, feedback_option: null };
