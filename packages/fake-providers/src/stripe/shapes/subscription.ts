import type Stripe from 'stripe';
import { type Account } from '../account.js';
import { plan } from './products.js';

export interface NewSubscription {
  readonly customer: Stripe.Customer;
  readonly price: Stripe.Price;
  readonly quantity: number;
  readonly status: 'incomplete' | 'trialing';
  /** Unix seconds. */
  readonly anchor: number;
  readonly period: { readonly start: number; readonly end: number };
  readonly trialEnd: number | null;
  readonly defaultPaymentMethod: string | null;
  readonly missingPaymentMethod: 'cancel' | 'create_invoice' | 'pause';
  readonly metadata: Stripe.Metadata;
}

export function subscription(account: Account, params: NewSubscription): Stripe.Subscription {
  const id = account.id('sub');
  const now = account.now();
  return {
    id,
    object: 'subscription',
    application: null,
    application_fee_percent: null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: params.anchor,
    billing_cycle_anchor_config: null,
    // The default of this API version: https://docs.stripe.com/changelog/clover/2025-09-30/billing-mode-default-flexible
    billing_mode: { flexible: { proration_discounts: 'included' }, type: 'flexible' },
    billing_schedules: [],
    billing_thresholds: null,
    cancel_at: null,
    cancel_at_period_end: false,
    canceled_at: null,
    cancellation_details: { comment: null, feedback: null, feedback_option: null, reason: null },
    collection_method: 'charge_automatically',
    created: now,
    currency: params.price.currency,
    customer: params.customer.id,
    customer_account: null,
    days_until_due: null,
    default_payment_method: params.defaultPaymentMethod,
    default_source: null,
    default_tax_rates: [],
    description: null,
    discounts: [],
    ended_at: null,
    invoice_settings: {
      account_tax_ids: null,
      custom_fields: null,
      description: null,
      footer: null,
      issuer: { type: 'self' },
    },
    items: {
      object: 'list',
      data: [item(account, id, params)],
      has_more: false,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    latest_invoice: null,
    livemode: account.livemode,
    managed_payments: { enabled: false },
    metadata: params.metadata,
    next_pending_invoice_item_invoice: null,
    on_behalf_of: null,
    pause_collection: null,
    payment_settings: {
      payment_method_options: null,
      payment_method_types: null,
      save_default_payment_method: 'off',
    },
    pending_invoice_item_interval: null,
    pending_setup_intent: null,
    pending_update: null,
    schedule: null,
    start_date: now,
    status: params.status,
    test_clock: null,
    transfer_data: null,
    trial_end: params.trialEnd,
    trial_settings: {
      end_behavior: { billing_cycle_anchor: null, missing_payment_method: params.missingPaymentMethod },
    },
    trial_start: params.trialEnd === null ? null : now,
  };
}

/** Since version 2025-03-31.basil the item has `current_period_end`, and the subscription no longer does. */
function item(account: Account, subscription: string, { price, quantity, period }: NewSubscription) {
  return {
    id: account.id('si', 14),
    object: 'subscription_item',
    billing_thresholds: null,
    created: account.now(),
    current_period_end: period.end,
    current_period_start: period.start,
    current_trial: null,
    discounts: [],
    metadata: {},
    plan: plan(price),
    price,
    quantity,
    subscription,
    tax_rates: [],
  } satisfies Stripe.SubscriptionItem;
}

/** The only item of a subscription. The fake does not support more. */
export function itemOf({ id, items }: Stripe.Subscription): Stripe.SubscriptionItem {
  const [first] = items.data;
  if (!first) throw new Error(`The subscription ${id} has no item.`);
  return first;
}
