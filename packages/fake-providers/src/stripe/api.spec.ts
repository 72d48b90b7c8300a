import Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startStripe, type StripeBench } from '../testing/stripe.js';

let bench: StripeBench;
beforeEach(async () => {
  bench = await startStripe();
});
afterEach(() => bench.fake.close());

const client = (options: Stripe.StripeConfig = {}, key = bench.fake.apiKey) =>
  new Stripe(key, { ...bench.fake.connection, maxNetworkRetries: 0, ...options });

describe('the API of FakeStripe', () => {
  it('requires the API key of the account', async () => {
    const refused = { type: 'StripeAuthenticationError', statusCode: 401 };
    await expect(client({}, 'sk_test_wrong').customers.list()).rejects.toMatchObject(refused);
    expect((await fetch(`${bench.fake.url}/v1/customers`)).status).toBe(401);
  });

  it('accepts only the API version of the installed client', async () => {
    const old = { ...bench.fake.connection, apiVersion: '2024-06-20' as typeof Stripe.API_VERSION };
    await expect(client(old).customers.list()).rejects.toThrow('Invalid Stripe API version: 2024-06-20');
  });

  it('names the missing, unknown or invalid parameter', async () => {
    const { stripe } = bench;
    const wrong = { nonsense: 1 } as Stripe.CustomerCreateParams;
    await expect(stripe.customers.create(wrong)).rejects.toMatchObject({
      code: 'parameter_unknown',
      param: 'nonsense',
    });
    await expect(stripe.prices.create({ currency: 'eur' })).rejects.toMatchObject({
      code: 'parameter_missing',
      param: 'unit_amount',
    });
    await expect(stripe.customers.list({ limit: 101 })).rejects.toMatchObject({ statusCode: 400, param: 'limit' });
    await expect(stripe.customers.retrieve('cus_unknown')).rejects.toMatchObject({
      type: 'StripeInvalidRequestError',
      statusCode: 404,
      code: 'resource_missing',
      param: 'id',
      message: "No such customer: 'cus_unknown'",
    });
    await expect(stripe.tokens.retrieve('tok_1')).rejects.toThrow('Unrecognized request URL (GET: /v1/tokens/tok_1)');
  });

  it('adds, changes and removes metadata by key', async () => {
    const { stripe } = bench;
    const { id } = await stripe.customers.create({ metadata: { a: '1', b: '2' } });
    const { metadata } = await stripe.customers.update(id, { metadata: { b: '', c: '3' } });
    expect(metadata).toEqual({ a: '1', c: '3' });
  });

  it('pages through a list newest first, without gaps while rows are added', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 25; n += 1) ids.unshift(await bench.customer());
    const seen: string[] = [];
    for await (const { id } of bench.stripe.customers.list({ limit: 10 })) {
      if (seen.length === 5) await bench.customer();
      seen.push(id);
    }
    expect(seen).toEqual(ids);
    const page = await bench.stripe.customers.list({ limit: 10, ending_before: ids[12] });
    expect([page.data.map(({ id }) => id), page.has_more]).toEqual([ids.slice(2, 12), true]);
    await expect(bench.stripe.customers.list({ starting_after: 'cus_gone' })).rejects.toMatchObject({
      param: 'starting_after',
    });
  });

  it('expands the requested properties, up to four levels deep', async () => {
    const { id } = await bench.subscribe();
    const expand = ['latest_invoice.payments.data.payment.payment_intent', 'customer', 'items.data.price.product'];
    await expect(bench.stripe.subscriptions.retrieve(id, { expand: ['a.b.c.d.e'] })).rejects.toThrow(
      'more than 4 levels',
    );
    const subscription = await bench.stripe.subscriptions.retrieve(id, { expand });
    expect(subscription).toMatchObject({
      customer: { object: 'customer' },
      items: { data: [{ price: { product: { name: 'Basic' } } }] },
      latest_invoice: { payments: { data: [{ payment: { payment_intent: { status: 'succeeded' } } }] } },
    });
    const listed = await bench.stripe.subscriptions.list({ expand: ['data.customer'] });
    expect(listed.data[0]?.customer).toMatchObject({ object: 'customer' });
    await expect(bench.stripe.subscriptions.retrieve(id, { expand: ['nonsense'] })).rejects.toThrow(
      'This property cannot be expanded (nonsense).',
    );
  });

  it('sends decimals that the client reads as decimals', async () => {
    const price = await bench.stripe.prices.retrieve(bench.prices.basic);
    expect(price.unit_amount_decimal?.toString()).toBe('499');
  });

  it('finds prices by lookup key, and transfers a lookup key to a newer price', async () => {
    const { prices } = bench.stripe;
    const price = { currency: 'eur', unit_amount: 1, product_data: { name: 'Plan' }, lookup_key: 'plan_month' };
    const first = await prices.create(price);
    await expect(prices.create(price)).rejects.toThrow('already uses that lookup key');
    const second = await prices.create({ ...price, transfer_lookup_key: true });
    const { data } = await prices.list({ lookup_keys: ['plan_month'], expand: ['data.product'] });
    expect(data).toMatchObject([{ id: second.id, product: { name: 'Plan' } }]);
    expect((await prices.retrieve(first.id)).lookup_key).toBeNull();
  });
});

describe('an idempotency key in FakeStripe', () => {
  it('executes a request once, and replays its response', async () => {
    const create = () => bench.stripe.customers.create({ name: 'Once' }, { idempotencyKey: 'key-1' });
    const [first, again] = [await create(), await create()];
    expect(again.id).toBe(first.id);
    expect(again.lastResponse.headers).toMatchObject({
      'idempotent-replayed': 'true',
      'original-request': first.lastResponse.requestId,
    });
    expect(first.lastResponse.headers).not.toHaveProperty('idempotent-replayed');
    expect((await bench.stripe.customers.list()).data).toHaveLength(1);
  });

  it('is refused for a request with other parameters', async () => {
    await bench.stripe.customers.create({ name: 'a' }, { idempotencyKey: 'key-1' });
    const other = bench.stripe.customers.create({ name: 'b' }, { idempotencyKey: 'key-1' });
    await expect(other).rejects.toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400 });
  });

  it('is refused while the first request is running', async () => {
    bench.fake.inject({ kind: 'slow', milliseconds: 60_000 }, { times: 1 });
    const slow = bench.stripe.customers.create({}, { idempotencyKey: 'key-1' });
    await expect.poll(() => bench.fake.requestsHeld()).toBe(1);
    const second = bench.stripe.customers.create({}, { idempotencyKey: 'key-1' });
    await expect(second).rejects.toMatchObject({ statusCode: 409, code: 'idempotency_key_in_use' });
    bench.fake.clearFaults();
    await slow;
  });

  it('can be used again after a request that was not executed, and after a day', async () => {
    const options = { idempotencyKey: 'key-1' };
    await expect(bench.stripe.customers.create({ name: '' }, options)).rejects.toThrow();
    const first = await bench.stripe.customers.create({ name: 'a' }, options);
    bench.clock.advance(24 * 3600_000);
    const second = await bench.stripe.customers.create({ name: 'b' }, options);
    expect(second.id).not.toBe(first.id);
  });

  it('replays the error of a request that failed during execution', async () => {
    const subscription = await bench.subscribe();
    bench.fake.declineCharges(subscription.customer as string);
    bench.fake.advanceTo(new Date('2030-02-01T13:00:00Z'));
    const [invoice] = (await bench.stripe.invoices.list({ status: 'open' })).data;
    const pay = () => bench.stripe.invoices.pay(invoice?.id ?? '', undefined, { idempotencyKey: 'pay' });
    await expect(pay()).rejects.toMatchObject({ type: 'StripeCardError' });
    bench.fake.acceptCharges(subscription.customer as string);
    await expect(pay()).rejects.toMatchObject({ type: 'StripeCardError' });
  });
});

describe('an injected fault in FakeStripe', () => {
  it.each([
    [
      { kind: 'status', status: 429 },
      { type: 'StripeRateLimitError', statusCode: 429, code: 'rate_limit' },
    ],
    [
      { kind: 'status', status: 500 },
      { type: 'StripeAPIError', statusCode: 500 },
    ],
    [
      { kind: 'status', status: 503 },
      { type: 'StripeAPIError', statusCode: 503 },
    ],
    [{ kind: 'refuse' }, { type: 'StripeConnectionError' }],
    [{ kind: 'hang' }, { type: 'StripeConnectionError' }],
  ] as const)('%j fails every request until it is cleared, and changes nothing', async (fault, error) => {
    bench.fake.inject(fault);
    await expect(client(fault.kind === 'hang' ? { timeout: 300 } : {}).customers.create()).rejects.toMatchObject(error);
    bench.fake.clearFaults();
    expect((await bench.stripe.customers.list()).data).toEqual([]);
  });

  it('can be limited to a number of matching requests', async () => {
    bench.fake.inject({ kind: 'status', status: 500 }, { times: 2, on: /^POST \/v1\/customers$/ });
    await bench.stripe.customers.list();
    const retrying = client({ maxNetworkRetries: 2 });
    expect((await retrying.customers.create()).object).toBe('customer');
  });

  it('lose-answer executes the request once, even though the client retries it', async () => {
    bench.fake.inject({ kind: 'lose-answer' }, { times: 1 });
    await client({ maxNetworkRetries: 1 }).customers.create();
    expect((await bench.stripe.customers.list()).data).toHaveLength(1);
  });
});

describe('the seed of FakeStripe', () => {
  it('determines the ids', async () => {
    const ids = async (seed: string) => {
      const other = await startStripe({ seed });
      const { id, latest_invoice } = await other.subscribe();
      await other.fake.close();
      return [id, latest_invoice];
    };
    expect(await ids('a')).toEqual(await ids('a'));
    expect(await ids('a')).not.toEqual(await ids('b'));
  });
});
