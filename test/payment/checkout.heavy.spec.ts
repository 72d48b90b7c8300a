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
const begin = async (person: SignedIn, plan?: string, interval?: string) =>
  read(await payments.checkout(person, plan, interval));
const openSessions = async (customer: string) =>
  (await payments.stripe.stripe.checkout.sessions.list({ customer, status: 'open' })).data;
const customerOf = async ({ uid }: SignedIn) => {
  const [row] = await payments.sql<{ customer: string }>(
    `SELECT stripe_customer_id AS customer FROM identity."User" WHERE firebase_uid = $1`,
    [uid],
  );
  return row?.customer ?? '';
};

/** Somebody to whom no trial is due, so that they pay at once. */
const payer = () => payments.signIn({ emailVerified: false });

describe('GET /plans', () => {
  it('says what is sold by whom, and nothing of what is not', async () => {
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

describe('a checkout', () => {
  it('leads to Stripe, and access follows the payment', async () => {
    const person = await payer();
    const begun = await begin(person, 'basic', 'year');
    expect(begun).toMatchObject({
      status: 201,
      trialDays: 0,
      url: expect.stringContaining(payments.stripe.fake.url) as string,
    });
    expect(await payments.report(person)).toMatchObject({ active: false, state: 'NONE' });
    payments.pay(begun.url);
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE', plan: { id: 'basic' } });
  });

  it('begun again closes the one before: only one can be paid', async () => {
    const person = await payer();
    const first = await begin(person);
    const second = await begin(person, 'plus');
    expect(await openSessions(await customerOf(person))).toHaveLength(1);
    expect(() => payments.pay(first.url)).toThrow();
    payments.pay(second.url);
    await payments.settled();
    expect((await payments.report(person)).sources).toHaveLength(1);
  });

  it('begun many times at once is one', async () => {
    const person = await payer();
    const patient = async () => read(await patiently(() => payments.checkout(person)));
    const begun = await Promise.all(Array.from({ length: 20 }, patient));
    expect(new Set(begun.map(({ status, code }) => code ?? status))).toEqual(new Set([201, 'checkout_in_progress']));
    expect(await openSessions(await customerOf(person))).toHaveLength(1);
    expect((await payments.stripe.stripe.customers.list({ email: person.email })).data).toHaveLength(1);
  });

  it('begun again while the answer of the first was lost leaves one open', async () => {
    const person = await payer();
    await begin(person);
    // Twice: Stripe's library asks again when a connection breaks, under the same key.
    payments.stripe.fake.inject({ kind: 'lose-answer' }, { on: /POST \/v1\/checkout\/sessions$/, times: 2 });
    expect(await begin(person)).toMatchObject({ status: 503, code: 'payment_provider_unavailable' });
    expect(await begin(person)).toMatchObject({ status: 201 });
    expect(await openSessions(await customerOf(person))).toHaveLength(1);
  });

  it('is refused to who has just paid, though no event has come yet', async () => {
    const person = await payer();
    const begun = await begin(person);
    payments.stripe.fake.holdDeliveries();
    payments.pay(begun.url);
    expect(await begin(person)).toMatchObject({ status: 409, code: 'already_subscribed', provider: 'stripe' });
    payments.stripe.fake.releaseDeliveries();
    await payments.settled();
  });

  it('is refused to who pays at Stripe for what no plan has, until it has ended', async () => {
    const person = await payer();
    await begin(person);
    const customer = await customerOf(person);
    const { stripe } = payments.stripe;
    const recurring = { interval: 'month' } as const;
    const product_data = { name: 'Of another time' };
    const { id: price } = await stripe.prices.create({ currency: 'eur', unit_amount: 1, recurring, product_data });
    const { id } = await payments.stripe.subscribe({ customer, price });
    expect(await begin(person)).toMatchObject({ status: 409, code: 'payment_refused' });
    await stripe.subscriptions.cancel(id);
    expect(await begin(person)).toMatchObject({ status: 201 });
    await payments.settled();
  });

  it('is refused to who pays through Apple, and to whom an operator gave access', async () => {
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

  it('is refused after a refund, until what was refunded is cancelled: it would be charged again', async () => {
    const person = await payments.subscribe({ person: await payer() });
    const { id: charge } = await payments.lastCharge(person.customer);
    await payments.stripe.stripe.refunds.create({ charge });
    await payments.settled();
    const id = (await payments.report(person)).sources[0]?.id ?? '';
    expect(await begin(person)).toMatchObject({ status: 409, code: 'already_subscribed' });
    expect((await payments.post(`/payment/subscriptions/${id}/cancel`, person.headers)).status).toBe(200);
    expect(await begin(person)).toMatchObject({ status: 201 });
  });

  it.each([
    ['https://evil.example/account', 'return_url_not_allowed'],
    ['https://app.example/elsewhere', 'return_url_not_allowed'],
    ['https://app.example/accounting', 'return_url_not_allowed'],
    ['https://app.example@evil.example/account', 'return_url_not_allowed'],
    ['http://app.example/account', 'return_url_not_allowed'],
    ['javascript:alert(1)', 'return_url_not_allowed'],
    ['not a url', 'invalid_request'],
  ])('does not lead back to %s', async (successUrl, code) => {
    const person = await payments.signIn();
    const body = { planId: 'basic', interval: 'month', successUrl, cancelUrl: 'https://app.example/account' };
    expect(await read(await payments.post('/payment/checkout', person.headers, body))).toMatchObject({
      status: 400,
      code,
    });
  });

  it('is refused for what is not sold', async () => {
    const person = await payments.signIn();
    expect(await begin(person, 'plus', 'year')).toMatchObject({ status: 404, code: 'price_not_offered' });
    expect(await begin(person, 'nothing')).toMatchObject({ status: 404, code: 'price_not_offered' });
  });

  it.each([
    ['down', { kind: 'refuse' }],
    ['overloaded', { kind: 'status', status: 503 }],
    ['asking for patience', { kind: 'status', status: 429 }],
  ] as const)('says so when Stripe is %s, and works afterwards', async (_what, fault) => {
    const person = await payments.signIn();
    payments.stripe.fake.inject(fault);
    try {
      expect(await begin(person)).toMatchObject({ status: 503, code: 'payment_provider_unavailable' });
    } finally {
      payments.stripe.fake.clearFaults();
    }
    expect(await begin(person)).toMatchObject({ status: 201 });
  });
});

describe('the portal and the history', () => {
  it('the portal opens for who has paid, and for nobody else', async () => {
    const [paying, other] = [await payments.subscribe({ person: await payer() }), await payments.signIn()];
    const open = async (person: SignedIn, returnUrl = 'https://app.example/account') =>
      read(await payments.post('/payment/portal', person.headers, { returnUrl }));
    expect(await open(paying)).toMatchObject({
      status: 201,
      url: expect.stringContaining(payments.stripe.fake.url) as string,
    });
    expect(await open(paying, 'https://evil.example')).toMatchObject({ code: 'return_url_not_allowed' });
    expect(await open(other)).toMatchObject({ status: 404, code: 'nothing_paid_yet' });
  });

  it('the history is paged, newest first, with links to receipts, and is one’s own', async () => {
    const person = await payments.subscribe({ person: await payer() });
    const { id: charge } = await payments.lastCharge(person.customer);
    for (const amount of [10, 20, 30]) {
      payments.clock.advance(1000);
      await payments.stripe.stripe.refunds.create({ charge, amount });
    }
    await payments.settled();
    interface Page {
      readonly payments: { id: string; kind: string; amount: number; receipt: string | null }[];
      readonly next: string | null;
    }
    const page = async (query: string, who: SignedIn = person) =>
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
    expect(await receipt(paid?.receipt ?? '', person)).toMatchObject({
      status: 200,
      url: expect.stringContaining(charge) as string,
    });
    const other = await payments.signIn();
    expect(await receipt(paid?.receipt ?? '', other)).toMatchObject({ status: 404, code: 'payment_not_found' });
    expect((await page('', other)).payments).toEqual([]);
    expect(await receipt(`/payment/history/${refund?.id ?? ''}/receipt`, person)).toMatchObject({
      code: 'receipt_not_available',
    });
  });

  it.each(['cursor=x', 'cursor=AAAA', 'limit=0', 'limit=101', 'offset=3'])('the history refuses ?%s', async (query) => {
    const person = await payments.signIn();
    expect((await payments.get(`/payment/history?${query}`, person.headers)).status).toBe(400);
  });
});

describe('changing a subscription', () => {
  it('is refused for another’s, for Apple’s and for what is none', async () => {
    const [mine, theirs] = [await payments.signIn(), await payments.subscribe({ person: await payer() })];
    const { signedTransaction } = payments.apple.buy({ product: appleProducts.plus.id });
    await payments.post('/payment/apple/transactions', mine.headers, { signedTransaction });
    const idOf = async (person: SignedIn) => (await payments.report(person)).sources[0]?.id ?? '';
    const cancel = async (id: string) => read(await payments.post(`/payment/subscriptions/${id}/cancel`, mine.headers));
    expect(await cancel(await idOf(theirs))).toMatchObject({ status: 404, code: 'subscription_not_found' });
    expect(await cancel(await idOf(mine))).toMatchObject({ status: 409, code: 'managed_elsewhere', provider: 'apple' });
    expect(await cancel('00000000-0000-4000-8000-000000000000')).toMatchObject({ code: 'subscription_not_found' });
    expect(await cancel('x')).toMatchObject({ status: 400 });
  });
});

describe('without providers', () => {
  it('nothing is sold, and every way to pay says so', async () => {
    const { startGatekeeper } = await import('../support/gatekeeper.js');
    const without = await startGatekeeper();
    try {
      const person = await without.signIn();
      expect(await (await without.get('/plans')).json()).toEqual({ plans: [], trialDays: 7 });
      const url = 'https://app.example/account';
      const ways: [string, object?][] = [
        ['/payment/checkout', { planId: 'standard', interval: 'month', successUrl: url, cancelUrl: url }],
        ['/payment/portal', { returnUrl: url }],
        ['/payment/apple/transactions', { signedTransaction: 'a.b.c' }],
        ['/payment/webhooks/stripe', {}],
        ['/payment/webhooks/apple', { signedPayload: 'a.b.c' }],
      ];
      for (const [path, body] of ways) {
        const answer = await read(await without.post(path, person.headers, body));
        expect(answer, path).toMatchObject({ status: 404, code: 'payment_provider_not_offered' });
      }
    } finally {
      await without.stop();
    }
  });
});
