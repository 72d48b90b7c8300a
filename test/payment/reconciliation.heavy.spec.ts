import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { dayMs, startPayments, type Subscriber, type TestPayments } from '../support/payments.js';
import { live, newLives, type Round, truthOf, writtenOf } from '../support/stripe-lives.js';
import { OperatorAccessService } from '../../src/subscription/index.js';
import { ReconciliationService } from '../../src/payment/reconciliation/reconciliation.service.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

const reconcile = async () => {
  const report = await payments.service.app.get(ReconciliationService, { strict: false }).run();
  // Its fetches have no event that `settled` could wait for, so wait for their jobs.
  await expect
    .poll(() => payments.sql('SELECT key FROM identity_jobs.jobs'), { timeout: 15_000, interval: 20 })
    .toEqual([]);
  return report;
};

const script: Round[] = [
  { acts: ['subscribe', 'subscribe', 'subscribe', 'subscribe', 'subscribe', 'subscribe'], hours: 30 },
  { acts: ['cancel', 'refund', 'refund a part', 'dispute', 'upgrade', 'decline'], hours: 24 * 20 },
  { acts: ['resume', 'nothing', 'refund a part', 'win', 'downgrade', 'nothing'], hours: 24 * 12 },
  { acts: ['cancel', 'refund', 'dispute', 'nothing', 'cancel', 'accept'], hours: 24 * 15 },
];

describe('ReconciliationService with Stripe', () => {
  it('finds no difference when every event has arrived', async () => {
    await payments.subscribe();
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });

  it.each([
    ['a third of all events', 0.33],
    ['every event', 1],
  ])('repairs all differences when %s was lost', async (_what, drop) => {
    const users = await newLives(payments, 6);
    payments.stripe.fake.setDeliveryFaults({ drop });
    await live(payments, users, script);
    await payments.settled();
    payments.stripe.fake.setDeliveryFaults({});
    await reconcile();
    for (const user of users) expect(await writtenOf(payments, user)).toEqual(await truthOf(payments, user));
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });
});

describe('ReconciliationService with a refunded subscription', () => {
  it('repairs a revoked cancellation whose event was lost', async () => {
    const { customer, subscription } = await payments.subscribe();
    const endAtPeriodEnd = (cancel_at_period_end: boolean) =>
      payments.stripe.stripe.subscriptions.update(subscription, { cancel_at_period_end });
    const written = () =>
      payments.sql(
        'SELECT status::text, cancel_at_period_end AS ends FROM identity."Subscription" WHERE provider_ref = $1',
        [`stripe:${subscription}`],
      );
    await endAtPeriodEnd(true);
    await payments.stripe.stripe.refunds.create({ charge: (await payments.lastCharge(customer)).id });
    await payments.settled();
    expect(await written()).toEqual([{ status: 'REVOKED', ends: true }]);

    payments.stripe.fake.setDeliveryFaults({ drop: 1 });
    await endAtPeriodEnd(false);
    await payments.stripe.fake.deliveriesSettled();
    payments.stripe.fake.setDeliveryFaults({});
    expect(await reconcile()).toMatchObject({ stripe: 1 });
    expect(await written()).toEqual([{ status: 'REVOKED', ends: false }]);
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });
});

describe('ReconciliationService comparing movements', () => {
  const movements = async (user: Subscriber) => (await payments.history(user)).map(({ kind }) => kind).sort();
  /** Makes a change at Stripe whose events are lost. */
  const withoutEvents = async (act: () => unknown) => {
    payments.stripe.fake.setDeliveryFaults({ drop: 1 });
    await act();
    await payments.stripe.fake.deliveriesSettled();
    payments.stripe.fake.setDeliveryFaults({});
  };

  it('repairs a refund that failed after it was recorded', async () => {
    const user = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(user.customer);
    const refund = await payments.stripe.stripe.refunds.create({ charge, amount: 100 });
    await payments.settled();
    await withoutEvents(() => payments.stripe.fake.failRefund(refund.id));
    expect(await reconcile()).toMatchObject({ stripe: 1 });
    expect(await movements(user)).toEqual(['charge', 'refund', 'reversal']);
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });

  it('records a dispute that was opened and won, without blocking the user', async () => {
    const user = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(user.customer);
    await withoutEvents(() => {
      const { id } = payments.stripe.fake.openDispute(charge);
      payments.stripe.fake.closeDispute(id, 'won');
    });
    expect(await reconcile()).toMatchObject({ stripe: 1 });
    expect(await movements(user)).toEqual(['charge', 'dispute', 'reversal']);
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });
});

describe('ReconciliationService ignores', () => {
  const stripe = () => payments.stripe;
  const chargeOf = async (customer: string) => (await payments.lastCharge(customer)).id;

  it('customers of another service on the same Stripe account', async () => {
    const [refunded, disputed] = [await stripe().customer(), await stripe().customer()];
    for (const customer of [refunded, disputed]) await stripe().subscribe({ customer });
    await stripe().stripe.refunds.create({ charge: await chargeOf(refunded), amount: 7 });
    stripe().fake.openDispute(await chargeOf(disputed));
    await payments.settled();
    const deadLettered = () =>
      payments.sql(`SELECT count(*) AS n FROM identity."WebhookEvent" WHERE state = 'dead_lettered'`);
    const before = await deadLettered();
    expect(await reconcile()).toMatchObject({ stripe: 0 });
    expect(await deadLettered()).toEqual(before);
  });

  it('a lost dispute whose block was lifted by an operator', async () => {
    const user = await payments.subscribe();
    const { id } = stripe().fake.openDispute(await chargeOf(user.customer));
    stripe().fake.closeDispute(id, 'lost');
    await payments.settled();
    const operators = payments.service.app.get(OperatorAccessService, { strict: false });
    expect(await operators.unblock(user.uid, { actor: 'ada', reason: 'a mistake of the bank' })).toBe(1);
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });

  it('an ended subscription that is mapped to no plan', async () => {
    const user = await payments.subscribe();
    const price = await stripe().stripe.prices.create({
      currency: 'eur',
      unit_amount: 1,
      recurring: { interval: 'month' },
      product_data: { name: 'Of another time' },
    });
    const { id } = await stripe().subscribe({ customer: user.customer, price: price.id });
    await stripe().stripe.subscriptions.cancel(id);
    await payments.settled();
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });
});

describe('ReconciliationService while the App Store is down', () => {
  it('still repairs differences at Stripe, and fails so that it is retried', async () => {
    const user = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(user.customer);
    payments.stripe.fake.setDeliveryFaults({ drop: 1 });
    await payments.stripe.stripe.refunds.create({ charge });
    payments.stripe.fake.setDeliveryFaults({});
    payments.apple.inject({ kind: 'status', status: 503 });
    await expect(reconcile()).rejects.toThrow();
    payments.apple.clearFaults();
    await expect.poll(async () => (await payments.report(user)).state).toBe('REVOKED');
  });
});

describe('ReconciliationService with the App Store', () => {
  it('repairs all differences when every notification was lost', async () => {
    const user = await payments.signIn();
    const account = (await (await payments.get('/payment/apple/account', user.headers)).json()) as {
      appAccountToken: string;
    };
    payments.apple.setDeliveryFaults({ drop: 1 });
    const bought = payments.apple.buy({ product: appleProducts.plus.id, ...account });
    await reconcile();
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
    payments.advance(31 * dayMs);
    payments.apple.refund(bought.transactionId);
    payments.apple.setAutoRenew(bought.originalTransactionId, false);
    await reconcile();
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, next: { action: 'resume' } });
    expect((await payments.history(user)).map(({ kind }) => kind).sort()).toEqual(['charge', 'charge', 'refund']);
    payments.apple.setDeliveryFaults({});
  });
});
