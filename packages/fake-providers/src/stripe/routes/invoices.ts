import { z } from 'zod';
import { type Account, idOf, idOrNull } from '../account.js';
import { type Collection } from '../billing/collection.js';
import { ApiError, invalid } from '../errors.js';
import { page } from '../http/list.js';
import { listParams, text } from '../http/params.js';
import { type Route, route } from '../http/router.js';
import { declineOf } from '../shapes/payment.js';

/** https://docs.stripe.com/api/invoices, https://docs.stripe.com/api/invoice-payment */
export function invoiceRoutes(account: Account, collection: Collection): Route[] {
  const { invoices, invoicePayments } = account.objects;
  return [
    route(
      'GET',
      '/v1/invoices',
      {
        ...listParams,
        customer: text.optional(),
        subscription: text.optional(),
        status: z.enum(['draft', 'open', 'paid', 'uncollectible', 'void']).optional(),
      },
      ({ customer, subscription, status, ...listing }) => {
        const matching = invoices.where((one) => {
          const billed = idOrNull(one.parent?.subscription_details?.subscription);
          return (
            (customer ?? idOrNull(one.customer)) === idOrNull(one.customer) &&
            (subscription ?? billed) === billed &&
            (status ?? one.status) === one.status
          );
        });
        return page(matching, '/v1/invoices', listing);
      },
    ),
    route('GET', '/v1/invoices/:id', {}, (_, id) => invoices.get(id)),
    route('POST', '/v1/invoices/:id/pay', {}, (_, id) => {
      const invoice = invoices.get(id);
      if (invoice.status !== 'open') throw invalid(`Invoice is ${invoice.status} and cannot be paid.`);
      const outcome = collection.collect(invoice, true);
      if (outcome === 'paid') return invoice;
      if (outcome === 'no_payment_method') throw invalid('There is no payment method to pay this invoice with.');
      throw new ApiError(402, { type: 'card_error', decline_code: outcome, ...declineOf(outcome) });
    }),
    route(
      'GET',
      '/v1/invoice_payments',
      {
        ...listParams,
        invoice: text.optional(),
        payment: z.strictObject({ type: z.literal('payment_intent'), payment_intent: text }).optional(),
        status: z.enum(['open', 'paid', 'canceled']).optional(),
      },
      ({ invoice, payment, status, ...listing }) => {
        const matching = invoicePayments.where(
          (one) =>
            (invoice ?? idOf(one.invoice)) === idOf(one.invoice) &&
            (payment?.payment_intent ?? one.payment.payment_intent) === one.payment.payment_intent &&
            (status ?? one.status) === one.status,
        );
        return page(matching, '/v1/invoice_payments', listing);
      },
    ),
    route('GET', '/v1/invoice_payments/:id', {}, (_, id) => invoicePayments.get(id)),
  ];
}
