import type Stripe from 'stripe';
import { z } from 'zod';
import { type Account, idOrNull } from '../account.js';
import { type Subscriptions } from '../billing/subscriptions.js';
import { invalid } from '../errors.js';
import { page } from '../http/list.js';
import { listParams, metadata, text, unset } from '../http/params.js';
import { type Route, route } from '../http/router.js';
import { customer as newCustomer } from '../shapes/customer.js';

/** https://docs.stripe.com/error-codes#email-invalid */
const email = text.max(512).regex(/^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$/, 'Invalid email address.');

const fields = {
  email: z.union([unset, email]).optional(),
  name: text.max(256).optional(),
  description: text.optional(),
  metadata: metadata.optional(),
};

/** https://docs.stripe.com/api/customers, https://docs.stripe.com/api/payment_methods */
export function customerRoutes(account: Account, subscriptions: Subscriptions): Route[] {
  const { customers, paymentMethods } = account.objects;
  const isNotDeleted = (one: Stripe.Customer | Stripe.DeletedCustomer): one is Stripe.Customer => !one.deleted;
  return [
    route('POST', '/v1/customers', fields, ({ email, name, description, metadata }) => {
      const params = {
        email: email ?? null,
        name: name ?? null,
        description: description ?? null,
        metadata: metadata ?? {},
      };
      const customer = customers.add(newCustomer(account, params));
      account.emit('customer.created', customer);
      return customer;
    }),
    route('GET', '/v1/customers', { ...listParams, email: text.optional() }, ({ email, ...listing }) => {
      const existing = customers.all().filter(isNotDeleted);
      return page(
        existing.filter((one) => email === undefined || one.email === email),
        '/v1/customers',
        listing,
      );
    }),
    // Stripe's search index can lag by a minute; the fake's does not. https://docs.stripe.com/search
    route(
      'GET',
      '/v1/customers/search',
      { query: text, limit: listParams.limit, page: text.optional() },
      ({ query }) => {
        const [, key = '', value] = /^metadata\["(\w+)"\]:"([^"]*)"$/.exec(query) ?? [];
        if (value === undefined)
          throw invalid('The fake supports only queries like metadata["key"]:"value".', { param: 'query' });
        const data = customers.all().filter((one) => isNotDeleted(one) && one.metadata[key] === value);
        return { object: 'search_result', url: '/v1/customers/search', data, has_more: false, next_page: null };
      },
    ),
    // A deleted customer can still be retrieved, with `deleted: true`.
    route('GET', '/v1/customers/:id', {}, (_, id) => customers.get(id)),
    route('POST', '/v1/customers/:id', fields, ({ metadata, ...changes }, id) => {
      const customer = account.customer(id);
      const merged = metadata && { metadata: mergeMetadata(customer.metadata, metadata) };
      account.change('customer.updated', customer, { ...changes, ...merged });
      return customer;
    }),
    route('DELETE', '/v1/customers/:id', {}, (_, id) => {
      const customer = account.customer(id);
      subscriptions.cancelAllOf(id);
      customers.add({ id, object: 'customer', deleted: true });
      account.emit('customer.deleted', customer);
      return customers.get(id);
    }),
    route(
      'GET',
      '/v1/customers/:id/payment_methods',
      { ...listParams, type: z.literal('card').optional() },
      (listing, id) => {
        account.customer(id);
        return page(methodsOf(account, id), `/v1/customers/${id}/payment_methods`, listing);
      },
    ),
    route(
      'GET',
      '/v1/payment_methods',
      { ...listParams, customer: text, type: z.literal('card').optional() },
      (listing) => {
        account.customer(listing.customer, 'customer');
        return page(methodsOf(account, listing.customer), '/v1/payment_methods', listing);
      },
    ),
    route('GET', '/v1/payment_methods/:id', {}, (_, id) => paymentMethods.get(id)),
  ];
}

function methodsOf(account: Account, customer: string): Stripe.PaymentMethod[] {
  return account.objects.paymentMethods.where((one) => idOrNull(one.customer) === customer);
}

/** An empty value removes its key. Other keys are kept. https://docs.stripe.com/api/metadata */
export function mergeMetadata(before: Stripe.Metadata, changes: Stripe.Metadata): Stripe.Metadata {
  return Object.fromEntries(Object.entries({ ...before, ...changes }).filter(([, value]) => value !== ''));
}
