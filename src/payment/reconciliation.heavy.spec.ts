import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appleProducts } from '../../test/support/apple.js';
import { dayMs, startPayments, type TestPayments } from '../../test/support/payments.js';
import { live, newLives, type Round, truthOf, writtenOf } from '../../test/support/stripe-lives.js';
import { Reconciliation } from './reconciliation.service.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

const reconcile = async () => {
  const report = await payments.service.app.get(Reconciliation, { strict: false }).run();
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
    payments.stripe.stand.disturbDeliveries({ drop });
    await live(payments, people, script);
    await payments.settled();
    payments.stripe.stand.disturbDeliveries({});
    await reconcile();
    for (const person of people) expect(await writtenOf(payments, person)).toEqual(await truthOf(payments, person));
    expect(await reconcile()).toMatchObject({ stripe: 0 });
  });
});

describe('the nightly comparison while the App Store is away', () => {
  it('repairs what is Stripe’s all the same, and says that it is not done', async () => {
    const person = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(person.customer);
    payments.stripe.stand.disturbDeliveries({ drop: 1 });
    await payments.stripe.stripe.refunds.create({ charge });
    payments.stripe.stand.disturbDeliveries({});
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
    payments.apple.disturbDeliveries({ drop: 1 });
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
    payments.apple.disturbDeliveries({});
  });
});
