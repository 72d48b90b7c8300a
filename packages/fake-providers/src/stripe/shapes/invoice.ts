import Stripe from 'stripe';
import { type Account, idOf } from '../account.js';
import { itemOf } from './subscription.js';

export interface NewLine {
  readonly amount: number;
  readonly description: string;
  readonly price: Stripe.Price;
  readonly quantity: number;
  readonly period: { readonly start: number; readonly end: number };
  /** Null for a line that is not a proration. `credited` is the line that a credit refers to; null for a debit. */
  readonly proration: { readonly credited: { readonly invoice: string; readonly line: string } | null } | null;
}

export function invoiceLine(
  account: Account,
  subscription: Stripe.Subscription,
  { amount, description, price, quantity, period, proration }: NewLine,
): Stripe.InvoiceLineItem {
  const credited = proration?.credited;
  return {
    id: account.id('il'),
    object: 'line_item',
    amount,
    currency: price.currency,
    description,
    discount_amounts: [],
    discountable: proration === null,
    discounts: [],
    invoice: null,
    livemode: account.livemode,
    metadata: subscription.metadata,
    parent: {
      invoice_item_details: null,
      subscription_item_details: {
        invoice_item: proration ? account.id('ii') : null,
        proration: proration !== null,
        proration_details: proration && {
          credited_items: credited ? { invoice: credited.invoice, invoice_line_items: [credited.line] } : null,
        },
        subscription: subscription.id,
        subscription_item: itemOf(subscription).id,
      },
      type: 'subscription_item_details',
    },
    period: { end: period.end, start: period.start },
    pretax_credit_amounts: [],
    pricing: {
      price_details: { price: price.id, product: idOf(price.product) },
      type: 'price_details',
      unit_amount_decimal: Stripe.Decimal.from(Math.round(amount / quantity)),
    },
    quantity,
    quantity_decimal: Stripe.Decimal.from(quantity),
    subscription: subscription.id,
    subtotal: amount,
    taxes: [],
  };
}

export interface NewInvoice {
  readonly subscription: Stripe.Subscription;
  readonly customer: Stripe.Customer;
  readonly reason: 'subscription_create' | 'subscription_cycle' | 'subscription_update';
  readonly lines: readonly Stripe.InvoiceLineItem[];
  readonly period: { readonly start: number; readonly end: number };
  /** When Stripe finalizes the invoice automatically, in Unix seconds; null for never. */
  readonly finalizesAt: number | null;
}

export function invoice(account: Account, params: NewInvoice): Stripe.Invoice {
  const { subscription, customer } = params;
  const id = account.id('in');
  const total = params.lines.reduce((sum, line) => sum + line.amount, 0);
  return {
    id,
    object: 'invoice',
    account_country: 'US',
    account_name: 'Fake',
    account_tax_ids: null,
    amount_due: Math.max(total, 0),
    amount_overpaid: 0,
    amount_paid: 0,
    amount_remaining: Math.max(total, 0),
    amount_shipping: 0,
    application: null,
    attempt_count: 0,
    attempted: false,
    auto_advance: params.finalizesAt !== null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null, provider: null, status: null },
    automatically_finalizes_at: params.finalizesAt,
    billing_reason: params.reason,
    collection_method: 'charge_automatically',
    created: account.now(),
    currency: subscription.currency,
    custom_fields: null,
    customer: customer.id,
    customer_account: null,
    customer_address: null,
    customer_email: customer.email,
    customer_name: customer.name ?? null,
    customer_phone: null,
    customer_shipping: null,
    customer_tax_exempt: 'none',
    customer_tax_ids: [],
    default_payment_method: null,
    default_source: null,
    default_tax_rates: [],
    description: null,
    discounts: [],
    due_date: null,
    effective_at: null,
    ending_balance: null,
    footer: null,
    from_invoice: null,
    hosted_invoice_url: null,
    invoice_pdf: null,
    issuer: { type: 'self' },
    last_finalization_error: null,
    latest_revision: null,
    lines: {
      object: 'list',
      data: params.lines.map((line) => ({ ...line, invoice: id })),
      has_more: false,
      url: `/v1/invoices/${id}/lines`,
    },
    livemode: account.livemode,
    metadata: {},
    next_payment_attempt: params.finalizesAt,
    number: null,
    on_behalf_of: null,
    // Since version 2025-03-31.basil the subscription is here, and `invoice.subscription` no longer exists.
    parent: {
      quote_details: null,
      subscription_details: { metadata: subscription.metadata, subscription: subscription.id },
      type: 'subscription_details',
    },
    payment_settings: { default_mandate: null, payment_method_options: null, payment_method_types: null },
    period_end: params.period.end,
    period_start: params.period.start,
    post_payment_credit_notes_amount: 0,
    pre_payment_credit_notes_amount: 0,
    receipt_number: null,
    rendering: null,
    shipping_cost: null,
    shipping_details: null,
    starting_balance: 0,
    statement_descriptor: null,
    status: 'draft',
    status_transitions: { finalized_at: null, marked_uncollectible_at: null, paid_at: null, voided_at: null },
    subtotal: total,
    subtotal_excluding_tax: total,
    test_clock: null,
    total,
    total_discount_amounts: [],
    total_excluding_tax: total,
    total_pretax_credit_amounts: [],
    total_taxes: [],
    webhooks_delivered_at: null,
  };
}

/** The subscription that an invoice bills. */
export function subscriptionOf({ id, parent }: Stripe.Invoice): string {
  const subscription = parent?.subscription_details?.subscription;
  if (!subscription) throw new Error(`The invoice ${id} bills no subscription.`);
  return idOf(subscription);
}
