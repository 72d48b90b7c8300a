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
  // A look-up that no event asked for leaves no event: its job is what there is to wait for.
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

describe('the nightly comparison with Stripe', () => {
  it('finds nothing to do when every event came', async () => {
    await payments.subscribe();
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });

  it.each([
    ['a third of all events', 0.33],
    ['every event', 1],
  ])('repairs what was missed when %s was lost', async (_what, drop) => {
    const people = await newLives(payments, 6);
    payments.stripe.fake.setDeliveryFaults({ drop });
    await live(payments, people, script);
    await payments.settled();
    payments.stripe.fake.setDeliveryFaults({});
    await reconcile();
    for (const person of people) expect(await writtenOf(payments, person)).toEqual(await truthOf(payments, person));
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });
});

describe('a subscription whose period was refunded', () => {
  it('is compared all the same: a cancellation that was taken back unheard is repaired', async () => {
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

describe('what only a comparison of the money shows', () => {
  const movements = async (person: Subscriber) => (await payments.history(person)).map(({ kind }) => kind).sort();
  /** Does something that no event tells of. */
  const unheard = async (act: () => unknown) => {
    payments.stripe.fake.setDeliveryFaults({ drop: 1 });
    await act();
    await payments.stripe.fake.deliveriesSettled();
    payments.stripe.fake.setDeliveryFaults({});
  };

  it('a refund that failed after it was written: the money came back', async () => {
    const person = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(person.customer);
    const refund = await payments.stripe.stripe.refunds.create({ charge, amount: 100 });
    await payments.settled();
    await unheard(() => payments.stripe.fake.failRefund(refund.id));
    expect(await reconcile()).toMatchObject({ stripe: 1 });
    expect(await movements(person)).toEqual(['charge', 'refund', 'reversal']);
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });

  it('a dispute that was opened and won: nobody is blocked, and both belong in the books', async () => {
    const person = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(person.customer);
    await unheard(() => {
      const { id } = payments.stripe.fake.openDispute(charge);
      payments.stripe.fake.closeDispute(id, 'won');
    });
    expect(await reconcile()).toMatchObject({ stripe: 1 });
    expect(await movements(person)).toEqual(['charge', 'dispute', 'reversal']);
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });
});

describe('what is not ours, or is decided, is nothing to repair', () => {
  const stripe = () => payments.stripe;
  const chargeOf = async (customer: string) => (await payments.lastCharge(customer)).id;

  it('another service’s customers on the same account at Stripe', async () => {
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

  it('a lost dispute whose block an operator has lifted', async () => {
    const person = await payments.subscribe();
    const { id } = stripe().fake.openDispute(await chargeOf(person.customer));
    stripe().fake.closeDispute(id, 'lost');
    await payments.settled();
    const operators = payments.service.app.get(OperatorAccessService, { strict: false });
    expect(await operators.unblock(person.uid, { actor: 'ada', reason: 'a mistake of the bank' })).toBe(1);
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });

  it('what was paid for something that no plan has, and has ended', async () => {
    const person = await payments.subscribe();
    const price = await stripe().stripe.prices.create({
      currency: 'eur',
      unit_amount: 1,
      recurring: { interval: 'month' },
      product_data: { name: 'Of another time' },
    });
    const { id } = await stripe().subscribe({ customer: person.customer, price: price.id });
    await stripe().stripe.subscriptions.cancel(id);
    await payments.settled();
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });
});

describe('the nightly comparison while the App Store is away', () => {
  it('repairs what is Stripe’s all the same, and says that it is not done', async () => {
    const person = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(person.customer);
    payments.stripe.fake.setDeliveryFaults({ drop: 1 });
    await payments.stripe.stripe.refunds.create({ charge });
    payments.stripe.fake.setDeliveryFaults({});
    payments.apple.inject({ kind: 'status', status: 503 });
    await expect(reconcile()).rejects.toThrow();
    payments.apple.clearFaults();
    await expect.poll(async () => (await payments.report(person)).state).toBe('REVOKED');
  });
});

describe('the nightly comparison with the App Store', () => {
  it('repairs what was missed when every notification was lost', async () => {
    const person = await payments.signIn();
    const account = (await (await payments.get('/payment/apple/account', person.headers)).json()) as {
      appAccountToken: string;
    };
    payments.apple.setDeliveryFaults({ drop: 1 });
    const bought = payments.apple.buy({ product: appleProducts.plus.id, ...account });
    await reconcile();
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
    payments.advance(31 * dayMs);
    payments.apple.refund(bought.transactionId);
    payments.apple.setAutoRenew(bought.originalTransactionId, false);
    await reconcile();
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, next: { action: 'resume' } });
    expect((await payments.history(person)).map(({ kind }) => kind).sort()).toEqual(['charge', 'charge', 'refund']);
    payments.apple.setDeliveryFaults({});
  });
});
