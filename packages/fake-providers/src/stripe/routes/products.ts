import { z } from 'zod';
import { type Account } from '../account.js';
import { invalid } from '../errors.js';
import { page } from '../http/list.js';
import { boolean, integer, listParams, metadata, text } from '../http/params.js';
import { type Route, route } from '../http/router.js';
import { price as newPrice, product as newProduct } from '../shapes/products.js';
import { mergeMetadata } from './customers.js';

const interval = z.enum(['day', 'week', 'month', 'year']);
const recurring = z.strictObject({
  interval,
  interval_count: integer.pipe(z.number().min(1)).default(1),
  usage_type: z.literal('licensed').optional(),
});
const productFields = { active: boolean.optional(), description: text.optional(), metadata: metadata.optional() };
const priceFields = {
  active: boolean.optional(),
  lookup_key: text.max(200).optional(),
  transfer_lookup_key: boolean.default(false),
  nickname: text.optional(),
  metadata: metadata.optional(),
};

/** https://docs.stripe.com/api/products, https://docs.stripe.com/api/prices */
export function productRoutes(account: Account): Route[] {
  const { products, prices } = account.objects;
  const createProduct = (params: { id?: string; name: string } & Partial<Parameters<typeof newProduct>[1]>) => {
    const { active = true, description = null, metadata = {}, ...rest } = params;
    if (rest.id !== undefined && products.find(rest.id)) {
      throw invalid('Product already exists.', { code: 'resource_already_exists', param: 'id' });
    }
    const product = products.add(newProduct(account, { active, description, metadata, ...rest }));
    account.emit('product.created', product);
    return product;
  };
  /** A lookup key belongs to one active price at a time. https://docs.stripe.com/products-prices/manage-prices#lookup-keys */
  const claimLookupKey = (key: string | undefined, transfer: boolean) => {
    const owner = key === undefined ? undefined : prices.where((price) => price.lookup_key === key)[0];
    if (!owner) return;
    if (!transfer) {
      const message = `A price (\`${owner.id}\`) already uses that lookup key.`;
      throw invalid(message, { code: 'resource_already_exists', param: 'lookup_key' });
    }
    account.change('price.updated', owner, { lookup_key: null });
  };
  return [
    route('POST', '/v1/products', { ...productFields, id: text.optional(), name: text }, createProduct),
    route(
      'GET',
      '/v1/products',
      { ...listParams, active: boolean.optional(), ids: z.array(text).optional() },
      ({ active, ids, ...listing }) => {
        const matching = products.where(
          (one) => (active ?? one.active) === one.active && (ids?.includes(one.id) ?? true),
        );
        return page(matching, '/v1/products', listing);
      },
    ),
    route('GET', '/v1/products/:id', {}, (_, id) => products.get(id)),
    route('POST', '/v1/products/:id', { ...productFields, name: text.optional() }, ({ metadata, ...changes }, id) => {
      const product = products.get(id);
      const merged = metadata && { metadata: mergeMetadata(product.metadata, metadata) };
      account.change('product.updated', product, { ...changes, ...merged });
      return product;
    }),
    route(
      'POST',
      '/v1/prices',
      {
        ...priceFields,
        currency: z.string().regex(/^[a-z]{3}$/, 'Invalid currency'),
        product: text.optional(),
        product_data: z.strictObject({ name: text, metadata: metadata.optional() }).optional(),
        recurring: recurring.optional(),
        unit_amount: integer.pipe(z.number().min(0)),
      },
      (params) => {
        if ((params.product === undefined) === (params.product_data === undefined)) {
          throw invalid('You must provide one of `product` or `product_data`.', { param: 'product' });
        }
        claimLookupKey(params.lookup_key, params.transfer_lookup_key);
        const product = params.product_data
          ? createProduct(params.product_data)
          : products.get(params.product ?? '', 'product');
        const price = newPrice(account, {
          product: product.id,
          currency: params.currency,
          unitAmount: params.unit_amount,
          every: params.recurring
            ? { interval: params.recurring.interval, count: params.recurring.interval_count }
            : null,
          active: params.active ?? true,
          lookupKey: params.lookup_key ?? null,
          nickname: params.nickname ?? null,
          metadata: params.metadata ?? {},
        });
        prices.add(price);
        account.emit('price.created', price);
        return price;
      },
    ),
    route(
      'GET',
      '/v1/prices',
      {
        ...listParams,
        active: boolean.optional(),
        currency: text.optional(),
        lookup_keys: z.array(text).max(10).optional(),
        product: text.optional(),
        recurring: z.strictObject({ interval: interval.optional() }).optional(),
        type: z.enum(['one_time', 'recurring']).optional(),
      },
      ({ active, currency, lookup_keys, product, recurring, type, ...listing }) => {
        const matching = prices.where(
          (one) =>
            (active ?? one.active) === one.active &&
            (currency ?? one.currency) === one.currency &&
            (lookup_keys?.includes(one.lookup_key ?? '') ?? true) &&
            (product ?? one.product) === one.product &&
            (recurring?.interval ?? one.recurring?.interval) === one.recurring?.interval &&
            (type ?? one.type) === one.type,
        );
        return page(matching, '/v1/prices', listing);
      },
    ),
    route('GET', '/v1/prices/:id', {}, (_, id) => prices.get(id)),
    route('POST', '/v1/prices/:id', priceFields, (params, id) => {
      const { metadata, transfer_lookup_key, ...changes } = params;
      const price = prices.get(id);
      if (changes.lookup_key !== price.lookup_key) claimLookupKey(changes.lookup_key, transfer_lookup_key);
      const merged = metadata && { metadata: mergeMetadata(price.metadata, metadata) };
      account.change('price.updated', price, { ...changes, ...merged });
      return price;
    }),
  ];
}
