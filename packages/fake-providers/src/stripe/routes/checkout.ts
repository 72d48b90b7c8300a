import { z } from 'zod';
import { type Account, idOrNull } from '../account.js';
import { type Checkout } from '../checkout.js';
import { invalid } from '../errors.js';
import { page } from '../http/list.js';
import { boolean, integer, listParams, metadata, text } from '../http/params.js';
import { type Route, route } from '../http/router.js';

const url = text.pipe(z.url('Not a valid URL'));
const quantity = integer.pipe(z.number().min(1)).default(1);

const sessionFields = {
  mode: z.literal('subscription', 'The fake supports only the mode "subscription"'),
  customer: text.optional(),
  customer_email: text.optional(),
  client_reference_id: text.max(200).optional(),
  line_items: z
    .array(z.strictObject({ price: text, quantity }))
    .length(1, 'The fake supports one line item for each session'),
  success_url: url,
  cancel_url: url.optional(),
  expires_at: integer.optional(),
  allow_promotion_codes: boolean.optional(),
  locale: text.optional(),
  metadata: metadata.optional(),
  payment_method_collection: z.enum(['always', 'if_required']).default('always'),
  ui_mode: z.literal('hosted_page').optional(),
  subscription_data: z
    .strictObject({
      metadata: metadata.optional(),
      trial_period_days: integer.pipe(z.number().min(1).max(730)).optional(),
      trial_settings: z
        .strictObject({
          end_behavior: z.strictObject({ missing_payment_method: z.enum(['cancel', 'create_invoice', 'pause']) }),
        })
        .optional(),
    })
    .optional(),
};

/** https://docs.stripe.com/api/checkout/sessions */
export function checkoutRoutes(account: Account, checkout: Checkout): Route[] {
  const { sessions } = account.objects;
  return [
    route('POST', '/v1/checkout/sessions', sessionFields, (params) => {
      if (params.customer !== undefined && params.customer_email !== undefined) {
        const message = 'You may only specify one of these parameters: customer, customer_email.';
        throw invalid(message, { code: 'parameters_exclusive', param: 'customer' });
      }
      const [item = { price: '', quantity: 1 }] = params.line_items;
      const data = params.subscription_data;
      return checkout.create({
        ...item,
        customer: params.customer ?? null,
        customerEmail: params.customer_email ?? null,
        clientReferenceId: params.client_reference_id ?? null,
        trialDays: data?.trial_period_days ?? null,
        missingPaymentMethod: data?.trial_settings?.end_behavior.missing_payment_method ?? 'create_invoice',
        metadata: data?.metadata ?? {},
        successUrl: params.success_url,
        cancelUrl: params.cancel_url ?? null,
        expiresAt: params.expires_at,
        allowPromotionCodes: params.allow_promotion_codes ?? null,
        collection: params.payment_method_collection,
        locale: params.locale ?? null,
        sessionMetadata: params.metadata ?? {},
      });
    }),
    route(
      'GET',
      '/v1/checkout/sessions',
      {
        ...listParams,
        customer: text.optional(),
        subscription: text.optional(),
        status: z.enum(['open', 'complete', 'expired']).optional(),
      },
      ({ customer, subscription, status, ...listing }) => {
        const matching = sessions.where(
          (one) =>
            (customer ?? idOrNull(one.customer)) === idOrNull(one.customer) &&
            (subscription ?? idOrNull(one.subscription)) === idOrNull(one.subscription) &&
            (status ?? one.status) === one.status,
        );
        return page(matching, '/v1/checkout/sessions', listing);
      },
    ),
    route('GET', '/v1/checkout/sessions/:id', {}, (_, id) => sessions.get(id)),
    route('POST', '/v1/checkout/sessions/:id/expire', {}, (_, id) => checkout.expire(id)),
  ];
}
