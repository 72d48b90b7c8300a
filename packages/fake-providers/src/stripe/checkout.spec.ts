import type Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStripe, type StripeBench } from '../testing/stripe.js';

let bench: StripeBench;
beforeAll(async () => {
  bench = await startStripe();
});
afterAll(() => bench.fake.close());

const open = (more: Partial<Stripe.Checkout.SessionCreateParams> = {}) =>
  bench.stripe.checkout.sessions.create({
    mode: 'subscription',
    line_items: [{ price: bench.prices.basic, quantity: 1 }],
    success_url: 'https://vpn.example/paid?session={CHECKOUT_SESSION_ID}',
    ...more,
  });

const eventsOf = async (types: string[]) =>
  (await bench.stripe.events.list({ limit: 100, types })).data.map(({ type }) => type);

describe('Checkout in FakeStripe', () => {
  it('sells a subscription, and completes the session, the subscription and its invoice', async () => {
    const customer = await bench.customer();
    const session = await open({
      customer,
      client_reference_id: 'user-1',
      metadata: { shop: 'web' },
      subscription_data: { metadata: { user: 'user-1' } },
    });
    expect(session).toMatchObject({ status: 'open', payment_status: 'unpaid', amount_total: 499, currency: 'eur' });
    expect(session.url).toContain(session.id);
    expect(session.expires_at - session.created).toBe(86_400);

    expect(bench.fake.pay(session.id)).toEqual({
      outcome: 'paid',
      redirect: `https://vpn.example/paid?session=${session.id}`,
    });

    const done = await bench.stripe.checkout.sessions.retrieve(session.id, {
      expand: ['subscription', 'invoice.payments', 'line_items'],
    });
    expect(done).toMatchObject({
      status: 'complete',
      payment_status: 'paid',
      client_reference_id: 'user-1',
      metadata: { shop: 'web' },
      url: null,
      line_items: { data: [{ amount_total: 499 }] },
    });
    const { subscription, invoice } = done as { subscription: Stripe.Subscription; invoice: Stripe.Invoice };
    expect(subscription).toMatchObject({ status: 'active', customer, metadata: { user: 'user-1' } });
    const [item] = subscription.items.data;
    expect([item?.current_period_start, item?.current_period_end]).toEqual([
      Date.parse('2030-01-01T12:00:00Z') / 1000,
      Date.parse('2030-02-01T12:00:00Z') / 1000,
    ]);
    expect(subscription).not.toHaveProperty('current_period_end');
    expect(invoice).not.toHaveProperty('subscription');
    expect(invoice.parent?.subscription_details).toEqual({
      metadata: { user: 'user-1' },
      subscription: subscription.id,
    });
    expect(invoice).toMatchObject({ status: 'paid', billing_reason: 'subscription_create', amount_paid: 499 });
    expect(invoice.payments?.data).toMatchObject([{ status: 'paid', amount_paid: 499 }]);
  });

  it('creates a customer when the session names none', async () => {
    const session = await open({ customer_email: 'new@example.com' });
    bench.fake.pay(session.id, { email: 'new@example.com' });
    const { customer } = await bench.stripe.checkout.sessions.retrieve(session.id, { expand: ['customer'] });
    expect(customer).toMatchObject({ email: 'new@example.com' });
  });

  it('starts a trial without a payment', async () => {
    const session = await open({ customer: await bench.customer(), subscription_data: { trial_period_days: 7 } });
    expect(session.amount_total).toBe(0);
    bench.fake.pay(session.id);
    const done = await bench.stripe.checkout.sessions.retrieve(session.id, {
      expand: ['subscription.latest_invoice', 'subscription.default_payment_method'],
    });
    expect(done.payment_status).toBe('no_payment_required');
    expect(done.subscription).toMatchObject({
      status: 'trialing',
      trial_end: Date.parse('2030-01-08T12:00:00Z') / 1000,
      latest_invoice: { status: 'paid', total: 0, amount_due: 0 },
      default_payment_method: { card: { brand: 'visa', last4: '4242' } },
    });
  });

  it('gives a card the same fingerprint for two customers', async () => {
    const fingerprints = [];
    for (const card of ['4242424242424242', '4242424242424242', '5555555555554444']) {
      const { default_payment_method } = await bench.subscribe({ card, trialDays: 7 });
      const method = await bench.stripe.paymentMethods.retrieve(default_payment_method as string);
      fingerprints.push(method.card?.fingerprint);
    }
    expect(fingerprints[0]).toMatch(/^\w{16}$/);
    expect(fingerprints[1]).toBe(fingerprints[0]);
    expect(fingerprints[2]).not.toBe(fingerprints[0]);
  });

  it('keeps the session open and the subscription incomplete after a decline, and accepts another card', async () => {
    const customer = await bench.customer();
    const session = await open({ customer });
    expect(bench.fake.pay(session.id, { card: '4000000000000002' })).toEqual({
      outcome: 'generic_decline',
      redirect: null,
    });
    expect((await bench.stripe.checkout.sessions.retrieve(session.id)).status).toBe('open');
    const [incomplete] = (await bench.stripe.subscriptions.list({ customer })).data;
    expect(incomplete).toMatchObject({ status: 'incomplete' });

    expect(bench.fake.pay(session.id).outcome).toBe('paid');
    const { data } = await bench.stripe.subscriptions.list({ customer, status: 'all' });
    expect(data).toMatchObject([{ id: incomplete?.id, status: 'active' }]);
  });

  it('expires a subscription that is not paid within 23 hours, and voids its invoice', async () => {
    const customer = await bench.customer();
    const session = await open({ customer });
    bench.fake.pay(session.id, { card: '4000000000009995' });
    bench.fake.advanceTo(new Date(bench.fake.now().getTime() + 23 * 3600_000));
    const [subscription] = (await bench.stripe.subscriptions.list({ customer, status: 'incomplete_expired' })).data;
    expect(subscription).toBeDefined();
    const { data } = await bench.stripe.invoices.list({ subscription: subscription?.id });
    expect(data).toMatchObject([{ status: 'void', amount_remaining: 499 }]);
  });

  it('expires a session on request, or after a day', async () => {
    const [first, second] = [await open(), await open()];
    expect(await bench.stripe.checkout.sessions.expire(first.id)).toMatchObject({ status: 'expired', url: null });
    await expect(bench.stripe.checkout.sessions.expire(first.id)).rejects.toThrow('can be expired');
    expect(() => bench.fake.pay(first.id)).toThrow('expired');
    bench.fake.advanceDays(1);
    expect((await bench.stripe.checkout.sessions.retrieve(second.id)).status).toBe('expired');
    expect(await eventsOf(['checkout.session.expired'])).toContain('checkout.session.expired');
  });

  it('lists a customer’s sessions', async () => {
    const customer = await bench.customer();
    const session = await open({ customer });
    expect((await bench.stripe.checkout.sessions.list({ customer })).data.map(({ id }) => id)).toEqual([session.id]);
    expect((await bench.stripe.checkout.sessions.list({ customer, status: 'complete' })).data).toEqual([]);
  });

  it.each([
    ['an unknown customer', { customer: 'cus_unknown' }, 'resource_missing', 'customer'],
    [
      'an unknown price',
      { line_items: [{ price: 'price_none', quantity: 1 }] },
      'resource_missing',
      'line_items[0][price]',
    ],
    [
      'both a customer and an address',
      { customer: 'cus_x', customer_email: 'a@b.example' },
      'parameters_exclusive',
      'customer',
    ],
    ['an expiry more than 24 hours away', { expires_at: 1_893_500_000 * 2 }, undefined, 'expires_at'],
    ['no success URL', { success_url: undefined }, 'parameter_missing', 'success_url'],
  ])('refuses %s', async (_, wrong, code, param) => {
    await expect(open(wrong)).rejects.toMatchObject({ type: 'StripeInvalidRequestError', code, param });
  });

  it('has a page on which the user pays', async () => {
    const session = await open({ customer: await bench.customer(), cancel_url: 'https://vpn.example/?a=1&b="2"' });
    const page = await (await fetch(session.url ?? '')).text();
    expect(page).toContain('Basic: 4.99 EUR');
    expect(page).not.toContain('b="2"');
    const body = new URLSearchParams({ card: '4242424242424242', email: 'a@example.com' });
    const paid = await fetch(session.url ?? '', { method: 'POST', body, redirect: 'manual' });
    expect([paid.status, paid.headers.get('location')]).toEqual([
      303,
      `https://vpn.example/paid?session=${session.id}`,
    ]);
  });
});
