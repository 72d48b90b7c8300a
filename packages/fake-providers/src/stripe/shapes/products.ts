import Stripe from 'stripe';
import { type Account, idOf } from '../account.js';
import { type Recurrence } from '../billing/periods.js';

export interface NewProduct {
  readonly id?: string;
  readonly name: string;
  readonly active: boolean;
  readonly description: string | null;
  readonly metadata: Stripe.Metadata;
}

export function product(account: Account, { id = account.id('prod', 14), ...params }: NewProduct): Stripe.Product {
  return {
    id,
    object: 'product',
    created: account.now(),
    default_price: null,
    images: [],
    livemode: account.livemode,
    marketing_features: [],
    package_dimensions: null,
    shippable: null,
    statement_descriptor: null,
    tax_code: null,
    tax_details: null,
    type: 'service',
    unit_label: null,
    updated: account.now(),
    url: null,
    ...params,
  };
}

export interface NewPrice {
  readonly product: string;
  readonly currency: string;
  readonly unitAmount: number;
  readonly every: Recurrence | null;
  readonly active: boolean;
  readonly lookupKey: string | null;
  readonly nickname: string | null;
  readonly metadata: Stripe.Metadata;
}

export function price(account: Account, params: NewPrice): Stripe.Price {
  const { every } = params;
  return {
    id: account.id('price'),
    object: 'price',
    active: params.active,
    billing_scheme: 'per_unit',
    created: account.now(),
    currency: params.currency,
    custom_unit_amount: null,
    livemode: account.livemode,
    lookup_key: params.lookupKey,
    metadata: params.metadata,
    nickname: params.nickname,
    product: params.product,
    recurring: every && {
      interval: every.interval,
      interval_count: every.count,
      meter: null,
      trial_period_days: null,
      usage_type: 'licensed',
    },
    tax_behavior: 'unspecified',
    tiers_mode: null,
    transform_quantity: null,
    type: every ? 'recurring' : 'one_time',
    unit_amount: params.unitAmount,
    unit_amount_decimal: Stripe.Decimal.from(params.unitAmount),
  };
}

/** The recurrence of a recurring price. @throws {Error} for a one-time price. */
export function recurrenceOf({ id, recurring }: Stripe.Price): Recurrence {
  if (!recurring) throw new Error(`The price ${id} is not recurring.`);
  return { interval: recurring.interval as Recurrence['interval'], count: recurring.interval_count };
}

/** The price as a `plan`, its older name in the API. Subscription items still contain it. */
export function plan(price: Stripe.Price): Stripe.Plan {
  const { interval, count } = recurrenceOf(price);
  return {
    id: price.id,
    object: 'plan',
    active: price.active,
    amount: price.unit_amount,
    amount_decimal: price.unit_amount_decimal,
    billing_scheme: 'per_unit',
    created: price.created,
    currency: price.currency,
    interval,
    interval_count: count,
    livemode: price.livemode,
    metadata: price.metadata,
    meter: null,
    nickname: price.nickname,
    product: idOf(price.product),
    tiers_mode: null,
    transform_usage: null,
    trial_period_days: null,
    usage_type: 'licensed',
  };
}
