import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dayMs, startPayments, type Subscriber, type TestPayments } from '../support/payments.js';
import { OperatorAccessService } from '../../src/subscription/index.js';
import { ProviderFetchesService } from '../../src/payment/webhooks/provider-fetches.service.js';

const hourMs = 3_600_000;
/** A month at most, and the hour that a renewal's invoice lies before it is paid. */
const month = 31 * dayMs + 2 * hourMs;

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

const report = (person: Subscriber) => payments.report(person);
const kinds = async (person: Subscriber) => (await payments.history(person)).map(({ kind, amount }) => [kind, amount]);
const later = async (milliseconds: number) => {
  payments.advance(milliseconds);
  await payments.settled();
};
const own = async (person: Subscriber) =>
  (await report(person)).sources.find(({ provider }) => provider === 'stripe')?.id ?? '';
const answerTo = async (person: Subscriber, what: string, method = 'POST', body?: unknown) => {
  const response = await fetch(`${payments.service.url}/payment/subscriptions/${await own(person)}/${what}`, {
    method,
    headers: { ...person.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  return { status: response.status, retryAfter: response.headers.get('retry-after'), ...answer };
};
const change = async (...asked: Parameters<typeof answerTo>) => {
  const answer = await answerTo(...asked);
  await payments.settled();
  return answer;
};

describe('a subscription through Stripe', () => {
  it('is paid, and renews', async () => {
    const person = await payments.subscribe();
    const first = await report(person);
    expect(first).toMatchObject({ active: true, state: 'ACTIVE', reason: 'paid', plan: { id: 'basic' }, next: null });
    await later(month);
    const second = await report(person);
    expect(second).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(Date.parse(second.until ?? '')).toBeGreaterThan(Date.parse(first.until ?? ''));
    expect(await kinds(person)).toEqual([
      ['charge', 499],
      ['charge', 499],
    ]);
  });

  it('that cannot be paid has our days of grace, ends by time alone, and recovers when it is paid', async () => {
    const person = await payments.subscribe();
    payments.stripe.fake.declineCharges(person.customer);
    await later(month);
    const inGrace = await report(person);
    expect(inGrace).toMatchObject({
      active: true,
      state: 'GRACE',
      reason: 'grace_period',
      next: { action: 'pay', provider: 'stripe' },
    });
    const untilMs = Date.parse(inGrace.until ?? '');
    payments.stripe.fake.holdDeliveries();
    payments.advance(untilMs - payments.clock.now().getTime() - 1000);
    expect(await report(person)).toMatchObject({ active: true, state: 'GRACE' });
    payments.clock.advance(1000);
    expect(await report(person)).toMatchObject({ active: false, state: 'SUSPENDED', reason: 'payment_overdue' });
    payments.stripe.fake.releaseDeliveries();
    await payments.settled();
    expect(await report(person)).toMatchObject({ active: false, state: 'SUSPENDED' });
    payments.stripe.fake.acceptCharges(person.customer);
    payments.stripe.fake.payOpenInvoice(person.subscription);
    await payments.settled();
    expect(await report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await kinds(person)).toHaveLength(2);
  });

  it.each([
    ['cancel', 'EXPIRED'],
    ['unpaid', 'SUSPENDED'],
  ] as const)('that stays unpaid to the last attempt, with "%s" set at Stripe, is %s', async (afterRetries, state) => {
    payments.stripe.fake.changeSettings({ afterRetries });
    const person = await payments.subscribe();
    payments.stripe.fake.declineCharges(person.customer);
    await later(month);
    await later(20 * dayMs);
    expect(await report(person)).toMatchObject({ active: false, state });
    payments.stripe.fake.changeSettings({ afterRetries: 'cancel' });
  });

  it('cancelled lasts to its end; resumed it goes on', async () => {
    const [leaves, stays] = [await payments.subscribe(), await payments.subscribe()];
    for (const person of [leaves, stays]) {
      expect(await change(person, 'cancel')).toMatchObject({ status: 200, active: true, next: { action: 'resume' } });
    }
    expect(await change(stays, 'resume')).toMatchObject({ status: 200, active: true, next: null });
    await later(month);
    expect(await report(leaves)).toMatchObject({ active: false, state: 'EXPIRED', next: { action: 'subscribe' } });
    expect(await report(stays)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await change(leaves, 'resume')).toMatchObject({ status: 409, code: 'subscription_ended' });
  });

  it('moves up at once for the difference, and down with a credit', async () => {
    const person = await payments.subscribe();
    await later(10 * dayMs);
    expect(await change(person, 'plan', 'PUT', { planId: 'plus', interval: 'month' })).toMatchObject({
      status: 200,
      plan: { id: 'plus', dailyTokens: 100 },
    });
    const [, difference] = await kinds(person);
    expect(difference?.[0]).toBe('charge');
    expect(difference?.[1]).toBeGreaterThan(200);
    expect(difference?.[1]).toBeLessThan(500);
    expect(await change(person, 'plan', 'PUT', { planId: 'basic', interval: 'month' })).toMatchObject({
      plan: { id: 'basic' },
    });
    expect(await kinds(person)).toHaveLength(2);
  });

  it('does not move up when the card is declined', async () => {
    const person = await payments.subscribe();
    payments.stripe.fake.declineCharges(person.customer);
    await later(dayMs);
    expect(await change(person, 'plan', 'PUT', { planId: 'plus', interval: 'month' })).toMatchObject({
      status: 402,
      code: 'payment_declined',
    });
    expect(await report(person)).toMatchObject({ active: true, plan: { id: 'basic' } });
  });

  it('does not call it a declined card when Stripe refuses what we ask, or cannot be asked', async () => {
    const person = await payments.subscribe();
    const map = (ref: string) =>
      payments.sql(
        `UPDATE identity."PlanPrice" SET price_ref = $1 WHERE provider = 'stripe' AND plan_id = 'plus' AND offered`,
        [ref],
      );
    const plus = { planId: 'plus', interval: 'month' };
    await map('price_of_nowhere');
    const refused = await change(person, 'plan', 'PUT', plus);
    await map(payments.stripe.prices.plus);
    expect(refused).toMatchObject({ status: 409, code: 'payment_refused' });
    for (const status of [429, 500, 503] as const) {
      payments.stripe.fake.inject({ kind: 'status', status }, { on: /^POST \/v1\/subscriptions/ });
      const answer = await change(person, 'plan', 'PUT', plus);
      payments.stripe.fake.clearFaults();
      expect(answer).toMatchObject({ status: 503, code: 'payment_provider_unavailable', retryAfter: '5' });
    }
    // Ended at Stripe, and told to nobody yet.
    payments.stripe.fake.holdDeliveries();
    await payments.stripe.stripe.subscriptions.cancel(person.subscription);
    const ended = await answerTo(person, 'cancel');
    payments.stripe.fake.releaseDeliveries();
    await payments.settled();
    expect(ended).toMatchObject({ status: 409, code: 'payment_refused' });
    expect(await report(person)).toMatchObject({ active: false, state: 'EXPIRED' });
  });

  it('does not move to another interval, cheaper or not, when the card is declined', async () => {
    const person = await payments.subscribe({ plan: 'plus' });
    payments.stripe.fake.declineCharges(person.customer);
    await later(dayMs);
    expect(await change(person, 'plan', 'PUT', { planId: 'basic', interval: 'year' })).toMatchObject({
      status: 402,
      code: 'payment_declined',
    });
    expect(await report(person)).toMatchObject({ active: true, state: 'ACTIVE', plan: { id: 'plus' } });
  });

  it('begins again after it has ended', async () => {
    const person = await payments.subscribe();
    await change(person, 'cancel');
    await later(month);
    const again = await payments.subscribe({ person, plan: 'plus' });
    expect(again.subscription).not.toBe(person.subscription);
    expect(again.customer).toBe(person.customer);
    expect(await report(person)).toMatchObject({ active: true, plan: { id: 'plus' } });
    expect((await report(person)).sources.map(({ state }) => state).sort()).toEqual(['ACTIVE', 'EXPIRED']);
  });
});

describe('a price that is raised at Stripe, which asks nobody', () => {
  const dearer = async () => {
    const { id } = await payments.stripe.stripe.prices.create({
      currency: 'eur',
      unit_amount: 599,
      recurring: { interval: 'month' },
      product_data: { name: 'Basic, dearer' },
    });
    await payments.sql(
      `INSERT INTO identity."PlanPrice" (provider, price_ref, plan_id, interval, amount, currency, offered)
       VALUES ('stripe', $1, 'basic', 'month', 599, 'eur', false)`,
      [id],
    );
    return id;
  };

  it('is paid with the next renewal, or the subscription ends: by who leaves at its end, by whose bank declines after the grace', async () => {
    const people = [await payments.subscribe(), await payments.subscribe(), await payments.subscribe()] as const;
    const [stays, leaves, declines] = people;
    const price = await dearer();
    const { subscriptions } = payments.stripe.stripe;
    for (const { subscription } of people) {
      const [item] = (await subscriptions.retrieve(subscription)).items.data;
      const items = [{ id: item?.id ?? '', price }];
      await subscriptions.update(subscription, { items, proration_behavior: 'none' });
    }
    await payments.settled();
    for (const person of people) expect(await report(person)).toMatchObject({ active: true, plan: { id: 'basic' } });
    await change(leaves, 'cancel');
    payments.stripe.fake.declineCharges(declines.customer);
    await later(month);
    expect(await report(stays)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await kinds(stays)).toEqual([
      ['charge', 499],
      ['charge', 599],
    ]);
    expect(await report(leaves)).toMatchObject({ active: false, state: 'EXPIRED' });
    expect(await report(declines)).toMatchObject({ active: true, state: 'GRACE' });
    await later(20 * dayMs);
    expect(await report(declines)).toMatchObject({ active: false });
    for (const person of [leaves, declines]) expect(await kinds(person)).toEqual([['charge', 499]]);
  });
});

describe('money given back', () => {
  it('in part is noted; in full it revokes, until the next period is paid', async () => {
    const person = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(person.customer);
    await payments.stripe.stripe.refunds.create({ charge, amount: 100 });
    await payments.settled();
    expect(await report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
    payments.advance(1_000);
    await payments.stripe.stripe.refunds.create({ charge });
    await payments.settled();
    expect(await report(person)).toMatchObject({ active: false, state: 'REVOKED', reason: 'revoked' });
    expect(await kinds(person)).toEqual([
      ['charge', 499],
      ['refund', 100],
      ['refund', 399],
    ]);
    await later(month);
    expect(await report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
  });
});

describe('a dispute', () => {
  it('takes access while it is open, and gives it back when it is won', async () => {
    const person = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(person.customer);
    const dispute = payments.stripe.fake.openDispute(charge);
    await payments.settled();
    expect(await report(person)).toMatchObject({
      active: false,
      state: 'REVOKED',
      reason: 'blocked_dispute',
      next: { action: 'contact_support' },
    });
    payments.stripe.fake.contestDispute(dispute.id);
    await payments.settled();
    expect(await report(person)).toMatchObject({ active: false, reason: 'blocked_dispute' });
    payments.stripe.fake.closeDispute(dispute.id, 'won');
    await payments.settled();
    expect(await report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await kinds(person)).toEqual([
      ['charge', 499],
      ['dispute', 499],
      ['reversal', 499],
    ]);
  });

  it('that is lost takes access until an operator gives it back, and nobody can pay for nothing', async () => {
    const person = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(person.customer);
    const dispute = payments.stripe.fake.openDispute(charge);
    payments.stripe.fake.closeDispute(dispute.id, 'lost');
    await payments.settled();
    expect(await report(person)).toMatchObject({ active: false, reason: 'blocked_dispute' });
    const refused = await payments.checkout(person);
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([403, 'access_blocked']);
    expect(await change(person, 'plan', 'PUT', { planId: 'plus', interval: 'month' })).toMatchObject({
      status: 403,
      code: 'access_blocked',
    });
    expect(await change(person, 'resume')).toMatchObject({ status: 403, code: 'access_blocked' });
    expect(await kinds(person)).toHaveLength(2);
    const operator = payments.service.app.get(OperatorAccessService, { strict: false });
    expect(await operator.unblock(person.uid, { actor: 'ada', reason: 'they have paid by letter' })).toBe(1);
    // What Stripe tells later overrules no operator.
    await payments.service.app
      .get(ProviderFetchesService, { strict: false })
      .fetch({ provider: 'stripe', objectRef: person.customer });
    expect(await report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
  });

  it('that is only an inquiry takes nothing, unless it becomes one', async () => {
    const person = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(person.customer);
    const inquiry = payments.stripe.fake.openDispute(charge, { inquiry: true });
    await payments.settled();
    expect(await report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await kinds(person)).toEqual([['charge', 499]]);
    payments.stripe.fake.escalateDispute(inquiry.id);
    await payments.settled();
    expect(await report(person)).toMatchObject({ active: false, reason: 'blocked_dispute' });
  });
});
