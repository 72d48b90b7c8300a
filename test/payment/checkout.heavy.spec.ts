import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedIn } from '../support/gatekeeper.js';
import { patiently } from '../support/patiently.js';
import { dayMs, startPayments, type TestPayments } from '../support/payments.js';
import { appleProducts } from '@vpn-backend/fake-providers/testing';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments({ TRIAL_DAYS: '7' });
});
afterAll(() => payments.stop());

interface Begun {
  readonly status: number;
  readonly url: string;
  readonly trialDays: number;
  readonly code?: string;
  readonly provider?: string;
}

const read = async (response: Response) => ({
  status: response.status,
  ...((await response.json()) as Omit<Begun, 'status'>),
});
const begin = async (user: SignedIn, plan?: string, interval?: string) =>
  read(await payments.checkout(user, plan, interval));
const openSessions = async (customer: string) =>
  (await payments.stripe.stripe.checkout.sessions.list({ customer, status: 'open' })).data;
const customerOf = async ({ uid }: SignedIn) => {
  const [row] = await payments.sql<{ customer: string }>(
    `SELECT stripe_customer_id AS customer FROM identity."User" WHERE firebase_uid = $1`,
    [uid],
  );
  return row?.customer ?? '';
};

/** A user who gets no trial, so that they pay at once. */
const payer = () => payments.signIn({ emailVerified: false });

describe('GET /plans', () => {
  it('lists the plans on sale with the prices of each provider, and no others', async () => {
    const response = await payments.get('/plans');
    expect(response.headers.get('cache-control')).toBe('public, max-age=60');
    expect(await response.json()).toEqual({
      trialDays: 7,
      plans: [
        {
          id: 'basic',
          name: 'Basic',
          dailyTokens: 32,
          prices: expect.arrayContaining([
            { provider: 'stripe', interval: 'month', amount: 499, currency: 'eur' },
            { provider: 'stripe', interval: 'year', amount: 4999, currency: 'eur' },
            { provider: 'apple', interval: 'month', productId: appleProducts.basic.id },
            { provider: 'apple', interval: 'year', productId: appleProducts.yearly.id },
          ]) as unknown,
        },
        {
          id: 'plus',
          name: 'Plus',
          dailyTokens: 100,
          prices: [
            { provider: 'stripe', interval: 'month', amount: 999, currency: 'eur' },
            { provider: 'apple', interval: 'month', productId: appleProducts.plus.id },
          ],
        },
      ],
    });
  });
});

describe('POST /payment/checkout', () => {
  it('returns a page of Stripe, and access starts with the payment', async () => {
    const user = await payer();
    const begun = await begin(user, 'basic', 'year');
    expect(begun).toMatchObject({
      status: 201,
      trialDays: 0,
      url: expect.stringContaining(payments.stripe.fake.url) as string,
    });
    expect(await payments.report(user)).toMatchObject({ active: false, state: 'NONE' });
    payments.pay(begun.url);
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE', plan: { id: 'basic' } });
  });

  it('closes the user’s earlier checkout, so that only one can be paid', async () => {
    const user = await payer();
    const first = await begin(user);
    const second = await begin(user, 'plus');
    expect(await openSessions(await customerOf(user))).toHaveLength(1);
    expect(() => payments.pay(first.url)).toThrow();
    payments.pay(second.url);
    await payments.settled();
    expect((await payments.report(user)).sources).toHaveLength(1);
  });

  it('opens one checkout when it is called many times at once', async () => {
    const user = await payer();
    const patient = async () => read(await patiently(() => payments.checkout(user)));
    const begun = await Promise.all(Array.from({ length: 20 }, patient));
    expect(new Set(begun.map(({ status, code }) => code ?? status))).toEqual(new Set([201, 'checkout_in_progress']));
    expect(await openSessions(await customerOf(user))).toHaveLength(1);
    expect((await payments.stripe.stripe.customers.list({ email: user.email })).data).toHaveLength(1);
  });

  it('leaves one checkout open after the answer to another was lost', async () => {
    const user = await payer();
    await begin(user);
    // Twice: Stripe's library repeats a request after a broken connection, with the same idempotency key.
    payments.stripe.fake.inject({ kind: 'lose-answer' }, { on: /POST \/v1\/checkout\/sessions$/, times: 2 });
    expect(await begin(user)).toMatchObject({ status: 503, code: 'payment_provider_unavailable' });
    expect(await begin(user)).toMatchObject({ status: 201 });
    expect(await openSessions(await customerOf(user))).toHaveLength(1);
  });

  it('refuses a user who has just paid, although no event has arrived yet', async () => {
    const user = await payer();
    const begun = await begin(user);
    payments.stripe.fake.holdDeliveries();
    payments.pay(begun.url);
    expect(await begin(user)).toMatchObject({ status: 409, code: 'already_subscribed', provider: 'stripe' });
    payments.stripe.fake.releaseDeliveries();
    await payments.settled();
  });

  it('refuses a user with a Stripe subscription that is mapped to no plan, until it has ended', async () => {
    const user = await payer();
    await begin(user);
    const customer = await customerOf(user);
    const { stripe } = payments.stripe;
    const recurring = { interval: 'month' } as const;
    const product_data = { name: 'Of another time' };
    const { id: price } = await stripe.prices.create({ currency: 'eur', unit_amount: 1, recurring, product_data });
    const { id } = await payments.stripe.subscribe({ customer, price });
    expect(await begin(user)).toMatchObject({ status: 409, code: 'payment_refused' });
    await stripe.subscriptions.cancel(id);
    expect(await begin(user)).toMatchObject({ status: 201 });
    await payments.settled();
  });

  it('refuses a user who pays through Apple, and one with access from an operator', async () => {
    const viaApple = await payments.signIn();
    const { signedTransaction } = payments.apple.buy({ product: appleProducts.plus.id });
    await payments.post('/payment/apple/transactions', viaApple.headers, { signedTransaction });
    expect(await begin(viaApple)).toMatchObject({ status: 409, code: 'already_subscribed', provider: 'apple' });
    const guest = await payments.signIn();
    await payments.report(guest);
    await payments.sql(
      `INSERT INTO identity."Subscription" (user_id, provider, provider_ref, plan_id, status, paid_through)
       SELECT id, 'operator', 'operator:' || id, 'basic', 'ACTIVE', $2 FROM identity."User" WHERE firebase_uid = $1`,
      [guest.uid, new Date(payments.clock.now().getTime() + dayMs)],
    );
    expect(await begin(guest)).toMatchObject({ status: 409, code: 'already_subscribed', provider: 'operator' });
  });

  it('refuses a user after a refund until the subscription is cancelled, because it would be charged again', async () => {
    const user = await payments.subscribe({ user: await payer() });
    const { id: charge } = await payments.lastCharge(user.customer);
    await payments.stripe.stripe.refunds.create({ charge });
    await payments.settled();
    const id = (await payments.report(user)).sources[0]?.id ?? '';
    expect(await begin(user)).toMatchObject({ status: 409, code: 'already_subscribed' });
    expect((await payments.post(`/payment/subscriptions/${id}/cancel`, user.headers)).status).toBe(200);
    expect(await begin(user)).toMatchObject({ status: 201 });
  });

  it.each([
    ['https://evil.example/account', 'return_url_not_allowed'],
    ['https://app.example/elsewhere', 'return_url_not_allowed'],
    ['https://app.example/accounting', 'return_url_not_allowed'],
    ['https://app.example@evil.example/account', 'return_url_not_allowed'],
    ['http://app.example/account', 'return_url_not_allowed'],
    ['javascript:alert(1)', 'return_url_not_allowed'],
    ['not a url', 'invalid_request'],
  ])('refuses the return URL %s', async (successUrl, code) => {
    const user = await payments.signIn();
    const body = { planId: 'basic', interval: 'month', successUrl, cancelUrl: 'https://app.example/account' };
    expect(await read(await payments.post('/payment/checkout', user.headers, body))).toMatchObject({
      status: 400,
      code,
    });
  });

  it('refuses a price that is not on sale', async () => {
    const user = await payments.signIn();
    expect(await begin(user, 'plus', 'year')).toMatchObject({ status: 404, code: 'price_not_offered' });
    expect(await begin(user, 'nothing')).toMatchObject({ status: 404, code: 'price_not_offered' });
  });

  it.each([
    ['down', { kind: 'refuse' }],
    ['overloaded', { kind: 'status', status: 503 }],
    ['limiting the rate', { kind: 'status', status: 429 }],
  ] as const)('answers 503 while Stripe is %s, and works afterwards', async (_what, fault) => {
    const user = await payments.signIn();
    payments.stripe.fake.inject(fault);
    try {
      expect(await begin(user)).toMatchObject({ status: 503, code: 'payment_provider_unavailable' });
    } finally {
      payments.stripe.fake.clearFaults();
    }
    expect(await begin(user)).toMatchObject({ status: 201 });
  });
});

describe('POST /payment/portal', () => {
  it('opens only for users who have paid', async () => {
    const [paying, other] = [await payments.subscribe({ user: await payer() }), await payments.signIn()];
    const open = async (user: SignedIn, returnUrl = 'https://app.example/account') =>
      read(await payments.post('/payment/portal', user.headers, { returnUrl }));
    expect(await open(paying)).toMatchObject({
      status: 201,
      url: expect.stringContaining(payments.stripe.fake.url) as string,
    });
    expect(await open(paying, 'https://evil.example')).toMatchObject({ code: 'return_url_not_allowed' });
    expect(await open(other)).toMatchObject({ status: 404, code: 'nothing_paid_yet' });
  });
});

describe('GET /payment/history', () => {
  it('returns pages of the user’s own payments, newest first, with links to receipts', async () => {
    const user = await payments.subscribe({ user: await payer() });
    const { id: charge } = await payments.lastCharge(user.customer);
    for (const amount of [10, 20, 30]) {
      payments.clock.advance(1000);
      await payments.stripe.stripe.refunds.create({ charge, amount });
    }
    await payments.settled();
    interface Page {
      readonly payments: { id: string; kind: string; amount: number; receipt: string | null }[];
      readonly next: string | null;
    }
    const page = async (query: string, who: SignedIn = user) =>
      (await (await payments.get(`/payment/history?${query}`, who.headers)).json()) as Page;
    const seen = [];
    for (let cursor = ''; ;) {
      const { payments: rows, next } = await page(`limit=3${cursor}`);
      seen.push(...rows);
      if (next === null) break;
      cursor = `&cursor=${next}`;
    }
    expect(seen.map(({ kind, amount }) => [kind, amount])).toEqual([
      ['refund', 30],
      ['refund', 20],
      ['refund', 10],
      ['charge', 499],
    ]);
    const [refund, , , paid] = seen;
    expect(refund?.receipt).toBeNull();
    const receipt = async (path: string, who: SignedIn) => read(await payments.get(path, who.headers));
    expect(await receipt(paid?.receipt ?? '', user)).toMatchObject({
      status: 200,
      url: expect.stringContaining(charge) as string,
    });
    const other = await payments.signIn();
    expect(await receipt(paid?.receipt ?? '', other)).toMatchObject({ status: 404, code: 'payment_not_found' });
    expect((await page('', other)).payments).toEqual([]);
    expect(await receipt(`/payment/history/${refund?.id ?? ''}/receipt`, user)).toMatchObject({
      code: 'receipt_not_available',
    });
  });

  it.each(['cursor=x', 'cursor=AAAA', 'limit=0', 'limit=101', 'offset=3'])('refuses ?%s', async (query) => {
    const user = await payments.signIn();
    expect((await payments.get(`/payment/history?${query}`, user.headers)).status).toBe(400);
  });
});

describe('POST /payment/subscriptions/{id}/cancel', () => {
  it('refuses another user’s subscription, one at Apple and an unknown id', async () => {
    const [user, otherUser] = [await payments.signIn(), await payments.subscribe({ user: await payer() })];
    const { signedTransaction } = payments.apple.buy({ product: appleProducts.plus.id });
    await payments.post('/payment/apple/transactions', user.headers, { signedTransaction });
    const idOf = async (user: SignedIn) => (await payments.report(user)).sources[0]?.id ?? '';
    const cancel = async (id: string) => read(await payments.post(`/payment/subscriptions/${id}/cancel`, user.headers));
    expect(await cancel(await idOf(otherUser))).toMatchObject({ status: 404, code: 'subscription_not_found' });
    expect(await cancel(await idOf(user))).toMatchObject({ status: 409, code: 'managed_elsewhere', provider: 'apple' });
    expect(await cancel('00000000-0000-4000-8000-000000000000')).toMatchObject({ code: 'subscription_not_found' });
    expect(await cancel('x')).toMatchObject({ status: 400 });
  });
});

describe('a service without payment providers', () => {
  it('offers no plans, and answers every payment request with 404', async () => {
    const { startGatekeeper } = await import('../support/gatekeeper.js');
    const without = await startGatekeeper();
    try {
      const user = await without.signIn();
      expect(await (await without.get('/plans')).json()).toEqual({ plans: [], trialDays: 7 });
      const url = 'https://app.example/account';
      const requests: [string, object?][] = [
        ['/payment/checkout', { planId: 'standard', interval: 'month', successUrl: url, cancelUrl: url }],
        ['/payment/portal', { returnUrl: url }],
        ['/payment/apple/transactions', { signedTransaction: 'a.b.c' }],
        ['/payment/webhooks/stripe', {}],
        ['/payment/webhooks/apple', { signedPayload: 'a.b.c' }],
      ];
      for (const [path, body] of requests) {
        const answer = await read(await without.post(path, user.headers, body));
        expect(answer, path).toMatchObject({ status: 404, code: 'payment_provider_not_offered' });
      }
    } finally {
      await without.stop();
    }
  });
});
