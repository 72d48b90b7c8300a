import type Stripe from 'stripe';
import { z } from 'zod';
import { type Account, idOf } from '../account.js';
import { type PriceChange } from '../billing/price-changes.js';
import { type Subscriptions } from '../billing/subscriptions.js';
import { invalid, missing } from '../errors.js';
import { isWithin, page } from '../http/list.js';
import { boolean, integer, listParams, metadata, range, text } from '../http/params.js';
import { type Route, route } from '../http/router.js';
import { itemOf } from '../shapes/subscription.js';

const feedback = z.enum([
  'customer_service',
  'low_quality',
  'missing_features',
  'other',
  'switched_service',
  'too_complex',
  'too_expensive',
  'unused',
]);
const cancellationDetails = z.strictObject({ comment: text.optional(), feedback: feedback.optional() });

const updateFields = {
  cancel_at_period_end: boolean.optional(),
  cancellation_details: cancellationDetails.optional(),
  default_payment_method: text.optional(),
  items: z
    .array(z.strictObject({ id: text, price: text.optional(), quantity: integer.pipe(z.number().min(1)).optional() }))
    .length(1, 'The fake supports one item for each subscription')
    .optional(),
  metadata: metadata.optional(),
  payment_behavior: z.enum(['allow_incomplete', 'error_if_incomplete']).default('allow_incomplete'),
  proration_behavior: z.enum(['always_invoice', 'create_prorations', 'none']).default('create_prorations'),
  proration_date: integer.optional(),
  trial_end: z.union([z.literal('now'), integer]).optional(),
};

const status = z.enum([
  'active',
  'all',
  'canceled',
  'ended',
  'incomplete',
  'incomplete_expired',
  'past_due',
  'paused',
  'trialing',
  'unpaid',
]);

const listFields = {
  ...listParams,
  customer: text.optional(),
  price: text.optional(),
  status: status.optional(),
  current_period_end: range.optional(),
};

/** https://docs.stripe.com/api/subscriptions */
export function subscriptionRoutes(account: Account, subscriptions: Subscriptions): Route[] {
  const all = account.objects.subscriptions;
  return [
    route('GET', '/v1/subscriptions', listFields, ({ customer, price, status, current_period_end, ...listing }) => {
      const matching = all.where(
        (one) =>
          (customer ?? idOf(one.customer)) === idOf(one.customer) &&
          (price ?? itemOf(one).price.id) === itemOf(one).price.id &&
          (!current_period_end || isWithin(itemOf(one).current_period_end, current_period_end)) &&
          hasStatus(one, status),
      );
      return page(matching, '/v1/subscriptions', listing);
    }),
    route('GET', '/v1/subscriptions/:id', {}, (_, id) => all.get(id)),
    route('POST', '/v1/subscriptions/:id', updateFields, (params, id) =>
      subscriptions.update(id, {
        cancelAtPeriodEnd: params.cancel_at_period_end,
        cancellationDetails: params.cancellation_details,
        defaultPaymentMethod: params.default_payment_method,
        metadata: params.metadata,
        trialEnd: params.trial_end,
        priceChange: params.items && priceChange(account, all.get(id), params.items[0], params),
      }),
    ),
    route(
      'DELETE',
      '/v1/subscriptions/:id',
      {
        cancellation_details: cancellationDetails.optional(),
        invoice_now: boolean.default(false),
        prorate: boolean.default(false),
      },
      ({ prorate, invoice_now, cancellation_details }, id) =>
        subscriptions.cancel(id, prorate, invoice_now, cancellation_details),
    ),
    route('POST', '/v1/subscriptions/:id/pause', { type: z.literal('subscription').optional() }, (_, id) =>
      subscriptions.pause(id),
    ),
    route('POST', '/v1/subscriptions/:id/resume', {}, (_, id) => subscriptions.resume(id)),
  ];
}

/** "If no value is supplied, all subscriptions that have not been canceled are returned." */
function hasStatus(subscription: Stripe.Subscription, wanted: string | undefined): boolean {
  const isOver = subscription.status === 'canceled' || subscription.status === 'incomplete_expired';
  if (wanted === undefined) return subscription.status !== 'canceled';
  return wanted === 'all' || (wanted === 'ended' ? isOver : wanted === subscription.status);
}

function priceChange(
  account: Account,
  subscription: Stripe.Subscription,
  item: { id: string; price?: string; quantity?: number } | undefined,
  params: {
    proration_behavior: PriceChange['prorations'];
    payment_behavior: PriceChange['payment'];
    proration_date?: number;
  },
): PriceChange {
  const current = itemOf(subscription);
  if (item?.id !== current.id) throw missing('subscription item', item?.id ?? '', 'items[0][id]');
  const price = item.price === undefined ? current.price : account.objects.prices.get(item.price, 'items[0][price]');
  if (!price.recurring) throw invalid('The price specified is not recurring.', { param: 'items[0][price]' });
  return {
    price,
    quantity: item.quantity ?? current.quantity ?? 1,
    prorations: params.proration_behavior,
    payment: params.payment_behavior,
    at: params.proration_date,
  };
}
