import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dayMs, startPayments, type Subscriber, type TestPayments } from '../support/payments.js';
import { OperatorAccessService } from '../../src/subscription/index.js';
import { ProviderFetchesService } from '../../src/payment/webhooks/provider-fetches.service.js';

const hourMs = 3_600_000;
/** The longest month, and the hour between a renewal and its charge. */
const month = 31 * dayMs + 2 * hourMs;

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

const report = (user: Subscriber) => payments.report(user);
const movements = async (user: Subscriber) => (await payments.history(user)).map(({ kind, amount }) => [kind, amount]);
const advance = async (milliseconds: number) => {
  payments.advance(milliseconds);
  await payments.settled();
};
const ownSubscription = async (user: Subscriber) =>
  (await report(user)).sources.find(({ provider }) => provider === 'stripe')?.id ?? '';
const sendChange = async (user: Subscriber, what: string, method = 'POST', body?: unknown) => {
  const response = await fetch(`${payments.service.url}/payment/subscriptions/${await ownSubscription(user)}/${what}`, {
    method,
    headers: { ...user.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  return { status: response.status, retryAfter: response.headers.get('retry-after'), ...answer };
};
const change = async (...args: Parameters<typeof sendChange>) => {
  const answer = await sendChange(...args);
  await payments.settled();
  return answer;
};

describe('a subscription through Stripe', () => {
  it('gives access when it is paid, and renews', async () => {
    const user = await payments.subscribe();
    const first = await report(user);
    expect(first).toMatchObject({ active: true, state: 'ACTIVE', reason: 'paid', plan: { id: 'basic' }, next: null });
    await advance(month);
    const second = await report(user);
    expect(second).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(Date.parse(second.until ?? '')).toBeGreaterThan(Date.parse(first.until ?? ''));
    expect(await movements(user)).toEqual([
      ['charge', 499],
      ['charge', 499],
    ]);
  });

  it('has GRACE_DAYS of grace when a renewal fails, is suspended without an event, and recovers when it is paid', async () => {
    const user = await payments.subscribe();
    payments.stripe.fake.declineCharges(user.customer);
    await advance(month);
    const inGrace = await report(user);
    expect(inGrace).toMatchObject({
      active: true,
      state: 'GRACE',
      reason: 'grace_period',
      next: { action: 'pay', provider: 'stripe' },
    });
    const untilMs = Date.parse(inGrace.until ?? '');
    payments.stripe.fake.holdDeliveries();
    payments.advance(untilMs - payments.clock.now().getTime() - 1000);
    expect(await report(user)).toMatchObject({ active: true, state: 'GRACE' });
    payments.clock.advance(1000);
    expect(await report(user)).toMatchObject({ active: false, state: 'SUSPENDED', reason: 'payment_overdue' });
    payments.stripe.fake.releaseDeliveries();
    await payments.settled();
    expect(await report(user)).toMatchObject({ active: false, state: 'SUSPENDED' });
    payments.stripe.fake.acceptCharges(user.customer);
    payments.stripe.fake.payOpenInvoice(user.subscription);
    await payments.settled();
    expect(await report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await movements(user)).toHaveLength(2);
  });

  it.each([
    ['cancel', 'EXPIRED'],
    ['unpaid', 'SUSPENDED'],
  ] as const)('after the last failed attempt, with "%s" set at Stripe, is %s', async (afterRetries, state) => {
    payments.stripe.fake.changeSettings({ afterRetries });
    const user = await payments.subscribe();
    payments.stripe.fake.declineCharges(user.customer);
    await advance(month);
    await advance(20 * dayMs);
    expect(await report(user)).toMatchObject({ active: false, state });
    payments.stripe.fake.changeSettings({ afterRetries: 'cancel' });
  });

  it('ends with its period when it is cancelled, and continues when it is resumed', async () => {
    const [leaves, stays] = [await payments.subscribe(), await payments.subscribe()];
    for (const user of [leaves, stays]) {
      expect(await change(user, 'cancel')).toMatchObject({ status: 200, active: true, next: { action: 'resume' } });
    }
    expect(await change(stays, 'resume')).toMatchObject({ status: 200, active: true, next: null });
    await advance(month);
    expect(await report(leaves)).toMatchObject({ active: false, state: 'EXPIRED', next: { action: 'subscribe' } });
    expect(await report(stays)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await change(leaves, 'resume')).toMatchObject({ status: 409, code: 'subscription_ended' });
  });

  it('charges the difference for an upgrade at once, and credits it for a downgrade', async () => {
    const user = await payments.subscribe();
    await advance(10 * dayMs);
    expect(await change(user, 'plan', 'PUT', { planId: 'plus', interval: 'month' })).toMatchObject({
      status: 200,
      plan: { id: 'plus', dailyTokens: 100 },
    });
    const [, difference] = await movements(user);
    expect(difference?.[0]).toBe('charge');
    expect(difference?.[1]).toBeGreaterThan(200);
    expect(difference?.[1]).toBeLessThan(500);
    expect(await change(user, 'plan', 'PUT', { planId: 'basic', interval: 'month' })).toMatchObject({
      plan: { id: 'basic' },
    });
    expect(await movements(user)).toHaveLength(2);
  });

  it('does not upgrade when the card is declined', async () => {
    const user = await payments.subscribe();
    payments.stripe.fake.declineCharges(user.customer);
    await advance(dayMs);
    expect(await change(user, 'plan', 'PUT', { planId: 'plus', interval: 'month' })).toMatchObject({
      status: 402,
      code: 'payment_declined',
    });
    expect(await report(user)).toMatchObject({ active: true, plan: { id: 'basic' } });
  });

  it('does not report a declined card when Stripe refuses the request or is down', async () => {
    const user = await payments.subscribe();
    const map = (ref: string) =>
      payments.sql(
        `UPDATE identity."PlanPrice" SET price_ref = $1 WHERE provider = 'stripe' AND plan_id = 'plus' AND offered`,
        [ref],
      );
    const plus = { planId: 'plus', interval: 'month' };
    await map('price_of_nowhere');
    const refused = await change(user, 'plan', 'PUT', plus);
    await map(payments.stripe.prices.plus);
    expect(refused).toMatchObject({ status: 409, code: 'payment_refused' });
    for (const status of [429, 500, 503] as const) {
      payments.stripe.fake.inject({ kind: 'status', status }, { on: /^POST \/v1\/subscriptions/ });
      const answer = await change(user, 'plan', 'PUT', plus);
      payments.stripe.fake.clearFaults();
      expect(answer).toMatchObject({ status: 503, code: 'payment_provider_unavailable', retryAfter: '5' });
    }
    // Ended at Stripe, without an event yet.
    payments.stripe.fake.holdDeliveries();
    await payments.stripe.stripe.subscriptions.cancel(user.subscription);
    const ended = await sendChange(user, 'cancel');
    payments.stripe.fake.releaseDeliveries();
    await payments.settled();
    expect(ended).toMatchObject({ status: 409, code: 'payment_refused' });
    expect(await report(user)).toMatchObject({ active: false, state: 'EXPIRED' });
  });

  it('does not change to another interval, even a cheaper one, when the card is declined', async () => {
    const user = await payments.subscribe({ plan: 'plus' });
    payments.stripe.fake.declineCharges(user.customer);
    await advance(dayMs);
    expect(await change(user, 'plan', 'PUT', { planId: 'basic', interval: 'year' })).toMatchObject({
      status: 402,
      code: 'payment_declined',
    });
    expect(await report(user)).toMatchObject({ active: true, state: 'ACTIVE', plan: { id: 'plus' } });
  });

  it('can be started again after it has ended', async () => {
    const user = await payments.subscribe();
    await change(user, 'cancel');
    await advance(month);
    const again = await payments.subscribe({ user, plan: 'plus' });
    expect(again.subscription).not.toBe(user.subscription);
    expect(again.customer).toBe(user.customer);
    expect(await report(user)).toMatchObject({ active: true, plan: { id: 'plus' } });
    expect((await report(user)).sources.map(({ state }) => state).sort()).toEqual(['ACTIVE', 'EXPIRED']);
  });
});

describe('a price increase at Stripe, which does not ask users for consent', () => {
  const createHigherPrice = async () => {
    const { id } = await payments.stripe.stripe.prices.create({
      currency: 'eur',
      unit_amount: 599,
      recurring: { interval: 'month' },
      product_data: { name: 'Basic, createHigherPrice' },
    });
    await payments.sql(
      `INSERT INTO identity."PlanPrice" (provider, price_ref, plan_id, interval, amount, currency, offered)
       VALUES ('stripe', $1, 'basic', 'month', 599, 'eur', false)`,
      [id],
    );
    return id;
  };

  it('is charged with the next renewal, unless the user cancels or the bank declines it until the grace period ends', async () => {
    const users = [await payments.subscribe(), await payments.subscribe(), await payments.subscribe()] as const;
    const [stays, leaves, declines] = users;
    const price = await createHigherPrice();
    const { subscriptions } = payments.stripe.stripe;
    for (const { subscription } of users) {
      const [item] = (await subscriptions.retrieve(subscription)).items.data;
      const items = [{ id: item?.id ?? '', price }];
      await subscriptions.update(subscription, { items, proration_behavior: 'none' });
    }
    await payments.settled();
    for (const user of users) expect(await report(user)).toMatchObject({ active: true, plan: { id: 'basic' } });
    await change(leaves, 'cancel');
    payments.stripe.fake.declineCharges(declines.customer);
    await advance(month);
    expect(await report(stays)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await movements(stays)).toEqual([
      ['charge', 499],
      ['charge', 599],
    ]);
    expect(await report(leaves)).toMatchObject({ active: false, state: 'EXPIRED' });
    expect(await report(declines)).toMatchObject({ active: true, state: 'GRACE' });
    await advance(20 * dayMs);
    expect(await report(declines)).toMatchObject({ active: false });
    for (const user of [leaves, declines]) expect(await movements(user)).toEqual([['charge', 499]]);
  });
});

describe('a refund through Stripe', () => {
  it('is only recorded if it is partial; a full one revokes access until the next period is paid', async () => {
    const user = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(user.customer);
    await payments.stripe.stripe.refunds.create({ charge, amount: 100 });
    await payments.settled();
    expect(await report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
    payments.advance(1_000);
    await payments.stripe.stripe.refunds.create({ charge });
    await payments.settled();
    expect(await report(user)).toMatchObject({ active: false, state: 'REVOKED', reason: 'revoked' });
    expect(await movements(user)).toEqual([
      ['charge', 499],
      ['refund', 100],
      ['refund', 399],
    ]);
    await advance(month);
    expect(await report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
  });
});

describe('a dispute at Stripe', () => {
  it('blocks access while it is open, and gives it back when it is won', async () => {
    const user = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(user.customer);
    const dispute = payments.stripe.fake.openDispute(charge);
    await payments.settled();
    expect(await report(user)).toMatchObject({
      active: false,
      state: 'REVOKED',
      reason: 'blocked_dispute',
      next: { action: 'contact_support' },
    });
    payments.stripe.fake.contestDispute(dispute.id);
    await payments.settled();
    expect(await report(user)).toMatchObject({ active: false, reason: 'blocked_dispute' });
    payments.stripe.fake.closeDispute(dispute.id, 'won');
    await payments.settled();
    expect(await report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await movements(user)).toEqual([
      ['charge', 499],
      ['dispute', 499],
      ['reversal', 499],
    ]);
  });

  it('blocks access and payments after it is lost, until an operator lifts the block', async () => {
    const user = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(user.customer);
    const dispute = payments.stripe.fake.openDispute(charge);
    payments.stripe.fake.closeDispute(dispute.id, 'lost');
    await payments.settled();
    expect(await report(user)).toMatchObject({ active: false, reason: 'blocked_dispute' });
    const refused = await payments.checkout(user);
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([403, 'access_blocked']);
    expect(await change(user, 'plan', 'PUT', { planId: 'plus', interval: 'month' })).toMatchObject({
      status: 403,
      code: 'access_blocked',
    });
    expect(await change(user, 'resume')).toMatchObject({ status: 403, code: 'access_blocked' });
    expect(await movements(user)).toHaveLength(2);
    const operator = payments.service.app.get(OperatorAccessService, { strict: false });
    expect(await operator.unblock(user.uid, { actor: 'ada', reason: 'they have paid by letter' })).toBe(1);
    // A later fetch does not overrule the operator.
    await payments.service.app
      .get(ProviderFetchesService, { strict: false })
      .fetch({ provider: 'stripe', objectRef: user.customer });
    expect(await report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
  });

  it('does not block access while it is only an inquiry', async () => {
    const user = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(user.customer);
    const inquiry = payments.stripe.fake.openDispute(charge, { inquiry: true });
    await payments.settled();
    expect(await report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await movements(user)).toEqual([['charge', 499]]);
    payments.stripe.fake.escalateDispute(inquiry.id);
    await payments.settled();
    expect(await report(user)).toMatchObject({ active: false, reason: 'blocked_dispute' });
  });
});
