import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { type SignedIn } from '../support/gatekeeper.js';
import { dayMs, startPayments, type TestPayments } from '../support/payments.js';
import { OperatorAccessService } from '../../src/subscription/index.js';

/** A user with two ways to pay, or with two attempts at one, is never charged twice. */

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

const begin = async (user: SignedIn) => {
  const response = await payments.checkout(user);
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
/** A user whose subscription at Apple is stored and has ended. */
const formerAppleSubscriber = async () => {
  const user = await payments.signIn();
  const account = crypto.randomUUID();
  const buy = { account, product: appleProducts.plus.id, appAccountToken: await appAccountToken(user) };
  const { originalTransactionId } = payments.apple.buy(buy);
  await payments.settled();
  payments.apple.setAutoRenew(originalTransactionId, false);
  payments.advance(32 * dayMs);
  await payments.settled();
  expect(await payments.report(user)).toMatchObject({ state: 'EXPIRED' });
  return { user, buyAgain: () => payments.apple.buy(buy) };
};
const grant = async ({ uid }: SignedIn) =>
  payments.service.app
    .get(OperatorAccessService, { strict: false })
    .grant(uid, { planId: 'basic', days: 30 }, { actor: 'ada', reason: 'a friend of the house' });

/** Stripe delays one request, so that a test can make changes meanwhile. */
const requestHeld = () => expect.poll(() => payments.stripe.fake.requestsHeld()).toBe(1);
const delay = (on: RegExp) => payments.stripe.fake.inject({ kind: 'slow', milliseconds: 60_000 }, { on, times: 1 });

describe('a checkout by a former Apple subscriber', () => {
  it('is refused if they have just bought again at Apple, although no notification has arrived', async () => {
    const { user, buyAgain } = await formerAppleSubscriber();
    payments.apple.holdDeliveries();
    buyAgain();
    expect(await begin(user)).toMatchObject({ status: 409, code: 'already_subscribed', provider: 'apple' });
  });

  it('is refused while Apple does not answer', async () => {
    const { user } = await formerAppleSubscriber();
    payments.apple.inject({ kind: 'status', status: 503 });
    expect(await begin(user)).toMatchObject({ status: 503, code: 'payment_provider_unavailable' });
    payments.apple.clearFaults();
    expect(await begin(user)).toMatchObject({ status: 201 });
  });

  it('is refused if their Apple product is mapped to no plan, because it may be paid', async () => {
    const { user, buyAgain } = await formerAppleSubscriber();
    payments.apple.holdDeliveries();
    buyAgain();
    const remap = `UPDATE identity."PlanPrice" SET price_ref = $1 WHERE provider = 'apple' AND price_ref = $2`;
    await payments.sql(remap, ['elsewhere', appleProducts.plus.id]);
    expect(await begin(user)).toMatchObject({ status: 409, code: 'payment_refused' });
    await payments.sql(remap, [appleProducts.plus.id, 'elsewhere']);
  });
});

describe('CheckoutExpiryService', () => {
  it('closes an open checkout when Apple notifies of a purchase', async () => {
    const user = await payments.signIn();
    const { url = '' } = await begin(user);
    payments.apple.buy({ product: appleProducts.plus.id, appAccountToken: await appAccountToken(user) });
    await expect.poll(() => openSessions(user)).toEqual([]);
    expect(() => payments.pay(url)).toThrow();
  });

  it('closes an open checkout when the app claims a purchase', async () => {
    const user = await payments.signIn();
    await begin(user);
    const { signedTransaction } = payments.apple.buy({ product: appleProducts.plus.id });
    await payments.post('/payment/apple/transactions', user.headers, { signedTransaction });
    await expect.poll(() => openSessions(user)).toEqual([]);
  });

  it('closes an open checkout when an operator grants access, retrying while Stripe is down', async () => {
    const user = await payments.signIn();
    await begin(user);
    payments.stripe.fake.inject({ kind: 'status', status: 503 }, { on: /^GET \/v1\/checkout/ });
    await grant(user);
    const failed = () => payments.sql(`SELECT 1 FROM identity_jobs.jobs WHERE attempts > 0 AND last_error IS NOT NULL`);
    await expect.poll(failed).not.toEqual([]);
    const postpone = `UPDATE identity_jobs._private_jobs SET run_at = now() + interval '1 hour'
       WHERE locked_at IS NULL AND attempts > 0 RETURNING 1`;
    await expect.poll(() => payments.sql(postpone)).not.toEqual([]);
    payments.stripe.fake.clearFaults();
    expect(await openSessions(user)).toHaveLength(1);
    await payments.sql(`UPDATE identity_jobs._private_jobs SET run_at = now()`);
    await expect.poll(() => openSessions(user)).toEqual([]);
  });

  it('runs a job that version 0.1 queued under its former name', async () => {
    const user = await payments.signIn();
    await begin(user);
    await payments.sql(
      `SELECT identity_jobs.add_job('close-checkouts', json_build_object('userId', id))
       FROM identity."User" WHERE firebase_uid = $1`,
      [user.uid],
    );
    await expect.poll(() => openSessions(user)).toEqual([]);
  });

  it('leaves a checkout that is just being opened to CheckoutService, which discards it', async () => {
    const user = await payments.signIn();
    delay(/^POST \/v1\/checkout\/sessions$/);
    const begun = begin(user);
    await requestHeld();
    await grant(user);
    // The event's job is done, and there was no checkout to close yet.
    await expect.poll(() => payments.sql('SELECT 1 FROM identity_jobs.jobs')).toEqual([]);
    payments.stripe.fake.clearFaults();
    expect((await begun).url).toBeUndefined();
    expect(await openSessions(user)).toEqual([]);
  });
});

describe('a checkout attempt that Stripe delays', () => {
  it('keeps its lease while it makes progress', async () => {
    const user = await payments.signIn();
    const requests = [/^GET \/v1\/checkout\/sessions/, /^GET \/v1\/invoices/];
    let first: ReturnType<typeof begin> | undefined;
    for (const request of requests) {
      payments.stripe.fake.clearFaults();
      delay(request);
      first ??= begin(user);
      await requestHeld();
      payments.clock.advance(45_000);
      expect(await begin(user)).toMatchObject({ status: 409, code: 'checkout_in_progress' });
    }
    payments.stripe.fake.clearFaults();
    expect(await first).toMatchObject({ status: 201 });
  });

  it('opens no checkout if another attempt has taken the lease', async () => {
    const user = await payments.signIn();
    delay(/^GET \/v1\/invoices/);
    const first = begin(user);
    await requestHeld();
    payments.clock.advance(61_000);
    const second = await begin(user);
    expect(second).toMatchObject({ status: 201 });
    payments.stripe.fake.clearFaults();
    expect((await first).url).toBeUndefined();
    const [open, ...others] = await openSessions(user);
    expect(others).toEqual([]);
    expect(open?.url).toBe(second.url);
  });
});
