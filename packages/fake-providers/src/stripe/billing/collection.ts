import type Stripe from 'stripe';
import { type Account, idOf } from '../account.js';
import { day, incompleteSeconds } from '../settings.js';
import { type NewInvoice, subscriptionOf } from '../shapes/invoice.js';
import { type Cancellations } from './cancellations.js';
import { type Invoices, type Outcome } from './invoices.js';

/** When an invoice is finalized and collected: at once, after its hour as a draft, or never. */
export type CollectionTiming = 'now' | 'later' | 'never';

/** Collects invoices, and updates the subscription after a payment or a failure. */
export class Collection {
  constructor(
    private readonly account: Account,
    private readonly invoices: Invoices,
    private readonly cancellations: Cancellations,
  ) {}

  /** Drafts an invoice with the given lines and the pending lines of the subscription. */
  bill(params: Omit<NewInvoice, 'finalizesAt'>, timing: CollectionTiming): Stripe.Invoice {
    const { account } = this;
    const { subscription } = params;
    const pending = account.objects.pendingLines.where((one) => one.subscription === subscription.id);
    for (const { id } of pending) account.objects.pendingLines.delete(id);
    const invoice = this.invoices.draft({
      ...params,
      lines: [...pending.map(({ line }) => line), ...params.lines],
      finalizesAt: timing === 'later' ? account.now() + account.settings.draftSeconds : null,
    });
    if (timing === 'later') account.schedule('finalize', invoice.id, account.now() + account.settings.draftSeconds);
    if (timing === 'now') this.invoices.finalize(invoice);
    return invoice;
  }

  /** Finalizes and collects a renewal's invoice, about an hour after the renewal. */
  finalizeDraft(id: string): void {
    const invoice = this.account.objects.invoices.get(id);
    this.invoices.finalize(invoice);
    this.collect(invoice, false);
  }

  retry(id: string): void {
    const invoice = this.account.objects.invoices.get(id);
    if (invoice.status === 'open') this.collect(invoice, false);
  }

  /** Tries to collect an open invoice, and updates its subscription by the outcome. */
  collect(invoice: Stripe.Invoice, present: boolean): Outcome {
    const subscription = this.account.objects.subscriptions.get(subscriptionOf(invoice));
    const outcome = this.invoices.attempt(invoice, present);
    if (outcome === 'paid') this.afterPayment(subscription, invoice);
    else this.afterFailure(subscription, invoice, outcome);
    return outcome;
  }

  private afterPayment(subscription: Stripe.Subscription, invoice: Stripe.Invoice): void {
    this.account.timeline.unschedule('retry', invoice.id);
    const customer = this.account.customer(idOf(subscription.customer));
    this.account.change('customer.updated', customer, { delinquent: false });
    const isLatest = subscription.latest_invoice === invoice.id;
    const { status } = subscription;
    const becomesActive = status === 'incomplete' || ((status === 'past_due' || status === 'unpaid') && isLatest);
    if (!becomesActive) return;
    this.account.timeline.unschedule('incomplete_expire', subscription.id);
    this.account.change('customer.subscription.updated', subscription, { status: 'active' });
  }

  private afterFailure(subscription: Stripe.Subscription, invoice: Stripe.Invoice, outcome: Outcome): void {
    const { account } = this;
    account.change('customer.updated', account.customer(idOf(subscription.customer)), { delinquent: true });
    const isFirst = subscription.status === 'incomplete';
    const isOver = subscription.status === 'canceled';
    const wait = account.settings.retryAfterDays[invoice.attempt_count - 1];
    if (!isFirst && !isOver && wait !== undefined) {
      const next = account.now() + wait * day;
      invoice.next_payment_attempt = next;
      account.schedule('retry', invoice.id, next);
    }
    account.emit('invoice.payment_failed', invoice);
    if (outcome === 'authentication_required') account.emit('invoice.payment_action_required', invoice);
    if (isFirst) account.schedule('incomplete_expire', subscription.id, subscription.created + incompleteSeconds);
    else if (!isOver && wait === undefined) this.stopRetrying(subscription, invoice);
    else if (subscription.status === 'active') {
      account.change('customer.subscription.updated', subscription, { status: 'past_due' });
    }
  }

  /** The last retry has failed. https://docs.stripe.com/billing/subscriptions/overview#settings */
  private stopRetrying(subscription: Stripe.Subscription, invoice: Stripe.Invoice): void {
    const { afterRetries } = this.account.settings;
    this.account.change('invoice.updated', invoice, { auto_advance: false });
    if (afterRetries === 'cancel') this.cancellations.cancel(subscription, 'payment_failed');
    else this.account.change('customer.subscription.updated', subscription, { status: afterRetries });
  }
}
