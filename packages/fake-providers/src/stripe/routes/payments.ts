import { z } from 'zod';
import { type Account, idOrNull } from '../account.js';
import { page } from '../http/list.js';
import { integer, listParams, metadata, text } from '../http/params.js';
import { type Route, route } from '../http/router.js';
import { type Refunds } from '../refunds.js';

const reason = z.enum(['duplicate', 'fraudulent', 'requested_by_customer']);
const byPaymentParams = { ...listParams, charge: text.optional(), payment_intent: text.optional() };

/** Charges, refunds and disputes: https://docs.stripe.com/api/refunds, https://docs.stripe.com/api/disputes */
export function paymentRoutes(account: Account, refunds: Refunds): Route[] {
  const { charges, disputes, paymentIntents } = account.objects;
  const matches = (query: { charge?: string; payment_intent?: string }, row: PaymentReferences) =>
    (query.charge ?? idOrNull(row.charge)) === idOrNull(row.charge) &&
    (query.payment_intent ?? idOrNull(row.payment_intent)) === idOrNull(row.payment_intent);
  return [
    route('GET', '/v1/payment_intents/:id', {}, (_, id) => paymentIntents.get(id)),
    route(
      'GET',
      '/v1/charges',
      { ...listParams, customer: text.optional(), payment_intent: text.optional() },
      (query) => {
        const found = charges.where(
          (one) =>
            (query.customer ?? idOrNull(one.customer)) === idOrNull(one.customer) &&
            (query.payment_intent ?? idOrNull(one.payment_intent)) === idOrNull(one.payment_intent),
        );
        return page(found, '/v1/charges', query);
      },
    ),
    route('GET', '/v1/charges/:id', {}, (_, id) => charges.get(id)),
    route(
      'POST',
      '/v1/refunds',
      {
        amount: integer.optional(),
        charge: text.optional(),
        payment_intent: text.optional(),
        reason: reason.optional(),
        metadata: metadata.optional(),
      },
      ({ amount, charge, payment_intent, reason, metadata }) =>
        refunds.create({
          amount,
          charge,
          paymentIntent: payment_intent,
          reason: reason ?? null,
          metadata: metadata ?? {},
        }),
    ),
    route('GET', '/v1/refunds', byPaymentParams, (query) =>
      page(
        account.objects.refunds.where((one) => matches(query, one)),
        '/v1/refunds',
        query,
      ),
    ),
    route('GET', '/v1/refunds/:id', {}, (_, id) => account.objects.refunds.get(id)),
    route('GET', '/v1/disputes', byPaymentParams, (query) =>
      page(
        disputes.where((one) => matches(query, one)),
        '/v1/disputes',
        query,
      ),
    ),
    route('GET', '/v1/disputes/:id', {}, (_, id) => disputes.get(id)),
  ];
}

interface PaymentReferences {
  readonly charge: string | { readonly id: string } | null;
  readonly payment_intent: string | { readonly id: string } | null;
}
