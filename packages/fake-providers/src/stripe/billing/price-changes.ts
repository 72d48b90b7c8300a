import type Stripe from 'stripe';
import { type Account, idOf } from '../account.js';
import { ApiError, invalid } from '../errors.js';
import { plan, recurrenceOf } from '../shapes/products.js';
import { invoiceLine } from '../shapes/invoice.js';
import { declineOf } from '../shapes/payment.js';
import { itemOf } from '../shapes/subscription.js';
import { type Bank } from './bank.js';
import { type Collection } from './collection.js';
import { periodEnd } from './periods.js';
import { creditUnused, share } from './prorations.js';
import { type Renewals } from './renewals.js';

export interface PriceChange {
  readonly price: Stripe.Price;
  readonly quantity: number;
  readonly prorations: 'always_invoice' | 'create_prorations' | 'none';
  readonly payment: 'allow_incomplete' | 'error_if_incomplete';
  /** The time from which to prorate, in Unix seconds; now by default. */
  readonly at: number | undefined;
}

/** Upgrades and downgrades. https://docs.stripe.com/billing/subscriptions/prorations */
export class PriceChanges {
  constructor(
    private readonly account: Account,
    private readonly collection: Collection,
    private readonly renewals: Renewals,
    private readonly bank: Bank,
  ) {}

  apply(subscription: Stripe.Subscription, change: PriceChange): void {
    const item = itemOf(subscription);
    const at = change.at ?? this.account.now();
    if (at < item.current_period_start || at > item.current_period_end) {
      throw invalid('Cannot prorate outside of the current period.', { param: 'proration_date' });
    }
    if (change.price.currency !== subscription.currency) {
      const message = `The price specified only supports \`${change.price.currency}\`. This doesn't match the expected currency: \`${subscription.currency}\`.`;
      throw invalid(message, { param: 'items[0][price]' });
    }
    const isSame = item.price.id === change.price.id && item.quantity === change.quantity;
    if (isSame) return;
    const [before, after] = [recurrenceOf(item.price), recurrenceOf(change.price)];
    const isOtherInterval = before.interval !== after.interval || before.count !== after.count;
    // A trial has billed nothing, so there is nothing to credit. The end of the trial does not change.
    if (subscription.status === 'trialing') return this.replaceItem(subscription, change);
    if (change.payment === 'error_if_incomplete') this.refuseIfDeclined(subscription);
    if (isOtherInterval) return this.startNewPeriod(subscription, change, at);
    const lines =
      change.prorations === 'none'
        ? []
        : [...this.credits(subscription, at), this.remainingTimeLine(subscription, change, at)];
    this.replaceItem(subscription, change);
    if (change.prorations === 'always_invoice') this.invoiceNow(subscription, lines);
    else for (const line of lines) this.addPendingLine(subscription, line);
  }

  /** With a new interval "the billing date changes": a new period starts now. It is billed now, minus the unused time. */
  private startNewPeriod(subscription: Stripe.Subscription, change: PriceChange, at: number): void {
    const credits = change.prorations === 'none' ? [] : this.credits(subscription, at);
    const start = this.account.now();
    const period = { start, end: periodEnd(start, recurrenceOf(change.price), start) };
    for (const line of credits) this.addPendingLine(subscription, line);
    this.replaceItem(subscription, change, period);
    const invoice = this.renewals.billPeriod(subscription, 'subscription_update', period, 'now');
    this.account.schedule('renew', subscription.id, period.end);
    this.collect(subscription, invoice);
  }

  private replaceItem(
    subscription: Stripe.Subscription,
    { price, quantity }: PriceChange,
    period?: { start: number; end: number },
  ): void {
    const item = {
      ...itemOf(subscription),
      ...(period && { current_period_start: period.start, current_period_end: period.end }),
      plan: plan(price),
      price,
      quantity,
    };
    this.account.change('customer.subscription.updated', subscription, {
      ...(period && { billing_cycle_anchor: period.start }),
      items: { ...subscription.items, data: [item] },
    });
  }

  /** Credits the unused time after `at`: one line for each debit that ends later. */
  credits(subscription: Stripe.Subscription, at: number): Stripe.InvoiceLineItem[] {
    const { account } = this;
    const item = itemOf(subscription);
    const { credits, kept } = creditUnused(account.hidden.debits[item.id] ?? [], at);
    account.hidden.debits[item.id] = kept;
    return credits.map(({ amount, debit }) =>
      invoiceLine(account, subscription, {
        amount,
        description: `Unused time on ${debit.price}`,
        price: account.objects.prices.get(debit.price),
        quantity: item.quantity ?? 1,
        period: { start: Math.max(at, debit.start), end: debit.end },
        proration: { credited: debit.invoice === null ? null : { invoice: debit.invoice, line: debit.line } },
      }),
    );
  }

  /** Bills the new price for the rest of the period. */
  private remainingTimeLine(
    subscription: Stripe.Subscription,
    { price, quantity }: PriceChange,
    at: number,
  ): Stripe.InvoiceLineItem {
    const { id, current_period_start: start, current_period_end: end } = itemOf(subscription);
    const amount = share((price.unit_amount ?? 0) * quantity, end - at, end - start);
    const line = invoiceLine(this.account, subscription, {
      amount,
      description: `Remaining time on ${price.id}`,
      price,
      quantity,
      period: { start: at, end },
      proration: { credited: null },
    });
    const debit = { amount, start: at, end, price: price.id, line: line.id, invoice: null };
    this.account.hidden.debits[id] = [...(this.account.hidden.debits[id] ?? []), debit];
    return line;
  }

  private addPendingLine(subscription: Stripe.Subscription, line: Stripe.InvoiceLineItem): void {
    this.account.objects.pendingLines.add({ id: line.id, subscription: subscription.id, line });
  }

  invoiceNow(subscription: Stripe.Subscription, lines: readonly Stripe.InvoiceLineItem[]): void {
    const { current_period_start: start } = itemOf(subscription);
    const customer = this.account.customer(idOf(subscription.customer));
    const period = { start, end: this.account.now() };
    const params = { subscription, customer, reason: 'subscription_update', lines, period } as const;
    this.collect(subscription, this.collection.bill(params, 'now'));
  }

  private collect(subscription: Stripe.Subscription, invoice: Stripe.Invoice): void {
    this.account.change('customer.subscription.updated', subscription, { latest_invoice: invoice.id });
    this.collection.collect(invoice, false);
  }

  /** For `error_if_incomplete`: when the card would be declined, the request fails and changes nothing. */
  private refuseIfDeclined(subscription: Stripe.Subscription): void {
    const customer = idOf(subscription.customer);
    const method = subscription.default_payment_method;
    const verdict = method && this.bank.previewCharge(customer, idOf(method), false);
    if (!verdict || verdict === 'approved') return;
    throw new ApiError(402, { type: 'card_error', decline_code: verdict, ...declineOf(verdict) });
  }
}
