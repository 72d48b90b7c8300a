import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { type SignedIn } from '../support/gatekeeper.js';
import { dayMs, startPayments, type TestPayments } from '../support/payments.js';
import { OperatorAccessService } from '../../src/subscription/index.js';

/** Two ways to pay, or two attempts at one, and never two bills. */

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());
afterEach(() => {
  payments.stripe.fake.clearFaults();
  payments.apple.clearFaults();
  payments.apple.releaseDeliveries();
});

const begin = async (person: SignedIn) => {
  const response = await payments.checkout(person);
  const answer = (await response.json()) as { url?: string; code?: string; provider?: string };
  return { ...answer, status: response.status };
};
const openSessions = async ({ uid }: SignedIn) => {
  const [row] = await payments.sql<{ customer: string }>(
    `SELECT stripe_customer_id AS customer FROM identity."User" WHERE firebase_uid = $1`,
    [uid],
  );
  const { stripe } = payments.stripe;
  return (await stripe.checkout.sessions.list({ customer: row?.customer ?? '', status: 'open' })).data;
};
const appAccountToken = async ({ headers }: SignedIn) => {
  const response = await payments.get('/payment/apple/account', headers);
  return ((await response.json()) as { appAccountToken: string }).appAccountToken;
};
/** Somebody whose subscription at Apple has ended, and is known here. */
const formerlyAtApple = async () => {
  const person = await payments.signIn();
  const account = crypto.randomUUID();
  const buy = { account, product: appleProducts.plus.id, appAccountToken: await appAccountToken(person) };
  const { originalTransactionId } = payments.apple.buy(buy);
  await payments.settled();
  payments.apple.setAutoRenew(originalTransactionId, false);
  payments.advance(32 * dayMs);
  await payments.settled();
  expect(await payments.report(person)).toMatchObject({ state: 'EXPIRED' });
  return { person, buyAgain: () => payments.apple.buy(buy) };
};
const grant = async ({ uid }: SignedIn) =>
  payments.service.app
    .get(OperatorAccessService, { strict: false })
    .grant(uid, { planId: 'basic', days: 30 }, { actor: 'ada', reason: 'a friend of the house' });

/** Stripe keeps one question waiting, so that a test can let things happen meanwhile. */
const held = () => expect.poll(() => payments.stripe.fake.requestsHeld()).toBe(1);
const slow = (on: RegExp) => payments.stripe.fake.inject({ kind: 'slow', milliseconds: 60_000 }, { on, times: 1 });

describe('before a checkout, Apple is asked of what a person had there', () => {
  it('what was bought again a moment ago, though no notification has come', async () => {
    const { person, buyAgain } = await formerlyAtApple();
    payments.apple.holdDeliveries();
    buyAgain();
    expect(await begin(person)).toMatchObject({ status: 409, code: 'already_subscribed', provider: 'apple' });
  });

  it('while it does not answer, nothing is sold', async () => {
    const { person } = await formerlyAtApple();
    payments.apple.inject({ kind: 'status', status: 503 });
    expect(await begin(person)).toMatchObject({ status: 503, code: 'payment_provider_unavailable' });
    payments.apple.clearFaults();
    expect(await begin(person)).toMatchObject({ status: 201 });
  });

  it('what it names a product that no plan has for is not understood, and may be paid', async () => {
    const { person, buyAgain } = await formerlyAtApple();
    payments.apple.holdDeliveries();
    buyAgain();
    const forget = `UPDATE identity."PlanPrice" SET price_ref = $1 WHERE provider = 'apple' AND price_ref = $2`;
    await payments.sql(forget, ['elsewhere', appleProducts.plus.id]);
    expect(await begin(person)).toMatchObject({ status: 409, code: 'payment_refused' });
    await payments.sql(forget, [appleProducts.plus.id, 'elsewhere']);
  });
});

describe('an open checkout is closed', () => {
  it('when a purchase at Apple is told', async () => {
    const person = await payments.signIn();
    const { url = '' } = await begin(person);
    payments.apple.buy({ product: appleProducts.plus.id, appAccountToken: await appAccountToken(person) });
    await expect.poll(() => openSessions(person)).toEqual([]);
    expect(() => payments.pay(url)).toThrow();
  });

  it('when the app shows a purchase', async () => {
    const person = await payments.signIn();
    await begin(person);
    const { signedTransaction } = payments.apple.buy({ product: appleProducts.plus.id });
    await payments.post('/payment/apple/transactions', person.headers, { signedTransaction });
    await expect.poll(() => openSessions(person)).toEqual([]);
  });

  it('when an operator gives access, also while Stripe is away at first', async () => {
    const person = await payments.signIn();
    await begin(person);
    payments.stripe.fake.inject({ kind: 'status', status: 503 }, { on: /^GET \/v1\/checkout/ });
    await grant(person);
    const failed = () => payments.sql(`SELECT 1 FROM identity_jobs.jobs WHERE attempts > 0 AND last_error IS NOT NULL`);
    await expect.poll(failed).not.toEqual([]);
    const later = `UPDATE identity_jobs._private_jobs SET run_at = now() + interval '1 hour'
       WHERE locked_at IS NULL AND attempts > 0 RETURNING 1`;
    await expect.poll(() => payments.sql(later)).not.toEqual([]);
    payments.stripe.fake.clearFaults();
    expect(await openSessions(person)).toHaveLength(1);
    await payments.sql(`UPDATE identity_jobs._private_jobs SET run_at = now()`);
    await expect.poll(() => openSessions(person)).toEqual([]);
  });

  it('by a job that the version before has left, too', async () => {
    const person = await payments.signIn();
    await begin(person);
    await payments.sql(
      `SELECT identity_jobs.add_job('close-checkouts', json_build_object('userId', id))
       FROM identity."User" WHERE firebase_uid = $1`,
      [person.uid],
    );
    await expect.poll(() => openSessions(person)).toEqual([]);
  });

  it('and one that was just being opened is not given out', async () => {
    const person = await payments.signIn();
    slow(/^POST \/v1\/checkout\/sessions$/);
    const begun = begin(person);
    await held();
    await grant(person);
    // The event was dealt with, and there was nothing to close.
    await expect.poll(() => payments.sql('SELECT 1 FROM identity_jobs.jobs')).toEqual([]);
    payments.stripe.fake.clearFaults();
    expect((await begun).url).toBeUndefined();
    expect(await openSessions(person)).toEqual([]);
  });
});

describe('an attempt that Stripe keeps waiting', () => {
  it('stays the only one for as long as it gets on', async () => {
    const person = await payments.signIn();
    const questions = [/^GET \/v1\/checkout\/sessions/, /^GET \/v1\/invoices/];
    let first: ReturnType<typeof begin> | undefined;
    for (const question of questions) {
      payments.stripe.fake.clearFaults();
      slow(question);
      first ??= begin(person);
      await held();
      payments.clock.advance(45_000);
      expect(await begin(person)).toMatchObject({ status: 409, code: 'checkout_in_progress' });
    }
    payments.stripe.fake.clearFaults();
    expect(await first).toMatchObject({ status: 201 });
  });

  it('opens nothing when another has begun meanwhile', async () => {
    const person = await payments.signIn();
    slow(/^GET \/v1\/invoices/);
    const first = begin(person);
    await held();
    payments.clock.advance(61_000);
    const second = await begin(person);
    expect(second).toMatchObject({ status: 201 });
    payments.stripe.fake.clearFaults();
    expect((await first).url).toBeUndefined();
    const [open, ...others] = await openSessions(person);
    expect(others).toEqual([]);
    expect(open?.url).toBe(second.url);
  });
});
