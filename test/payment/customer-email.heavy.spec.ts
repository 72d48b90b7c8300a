import type Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type SignedIn } from '../support/gatekeeper.js';
import { startPayments, type TestPayments } from '../support/payments.js';
import { OptionalStripe } from '../../src/payment/stripe/optional-stripe.js';
import { StripeClient } from '../../src/payment/stripe/stripe.client.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
  const { stripe } = payments.service.config.gatekeeper ?? {};
  if (stripe === undefined) throw new Error('no Stripe');
  // Requests that a test delays must not time out on a busy machine.
  const client = new StripeClient(stripe, 120_000);
  Object.assign(payments.service.app.get(OptionalStripe, { strict: false }), { client });
});
afterAll(() => payments.stop());
afterEach(() => payments.stripe.fake.clearFaults());

/** Changes the user's address at Firebase, then makes a request so that the service notices. */
async function changeEmail(
  { uid, headers }: SignedIn,
  { email = `${crypto.randomUUID()}@example.com`, verified = true } = {},
): Promise<string> {
  payments.firebase.setEmail(uid, email, verified);
  // Longer than Firebase's answers are cached.
  payments.advance(61_000);
  expect((await payments.get('/subscription', headers)).status).toBe(200);
  return email;
}
const addressOf = async (customer: string) =>
  ((await payments.stripe.stripe.customers.retrieve(customer)) as Stripe.Customer).email;
const customersFor = async (email: string) => (await payments.stripe.stripe.customers.list({ email })).data;
/** Resolves when no job is left that sends an address to Stripe. */
const emailJobsDone = () =>
  expect
    .poll(() => payments.sql(`SELECT 1 FROM identity_jobs.jobs WHERE task_identifier = 'user.email_changed'`), {
      timeout: 30_000,
    })
    .toEqual([]);
const requestHeld = () => expect.poll(() => payments.stripe.fake.requestsHeld()).toBe(1);
/** Makes Stripe answer the next such request only when the faults are cleared. */
const delay = (on: RegExp) => payments.stripe.fake.inject({ kind: 'slow', milliseconds: 60_000 }, { on, times: 1 });

describe('CustomerEmailService', () => {
  it('sends Stripe the user’s address, and a new one when it changes', async () => {
    const user = await payments.subscribe();
    expect(await addressOf(user.customer)).toBe(user.email);
    const email = await changeEmail(user);
    await expect.poll(() => addressOf(user.customer)).toBe(email);
  });

  it('leaves the last of two addresses at Stripe, even if the first arrives after it', async () => {
    const user = await payments.subscribe();
    delay(/POST \/v1\/customers\/cus/);
    await changeEmail(user);
    await requestHeld();
    const last = await changeEmail(user);
    await expect.poll(() => addressOf(user.customer)).toBe(last);
    const stillHeld = payments.stripe.fake.requestsHeld();
    payments.stripe.fake.clearFaults();
    expect(stillHeld).toBe(1);
    await emailJobsDone();
    expect(await addressOf(user.customer)).toBe(last);
  });

  it('sends the new address if it changed while the customer was being created', async () => {
    const user = await payments.signIn({ emailVerified: false });
    delay(/POST \/v1\/customers$/);
    const checkout = payments.checkout(user);
    await requestHeld();
    const email = await changeEmail(user);
    payments.stripe.fake.clearFaults();
    expect((await checkout).status).toBe(201);
    expect(await customersFor(email)).toHaveLength(1);
    expect(await customersFor(user.email)).toEqual([]);
  });

  it('sends a new address only once it is verified', async () => {
    const user = await payments.subscribe();
    const email = await changeEmail(user, { verified: false });
    await emailJobsDone();
    expect(await addressOf(user.customer)).toBe(user.email);
    await changeEmail(user, { email });
    await expect.poll(() => addressOf(user.customer)).toBe(email);
  });

  it('removes the former address if Stripe rejects the new one', async () => {
    const user = await payments.subscribe();
    await changeEmail(user, { email: `${crypto.randomUUID()}@localhost` });
    await expect.poll(() => addressOf(user.customer)).toBe(null);
  });

  it('does nothing if the customer was deleted at Stripe', async () => {
    const user = await payments.subscribe();
    await payments.stripe.stripe.customers.del(user.customer);
    await changeEmail(user);
    await emailJobsDone();
  });

  it('retries until Stripe is available again', async () => {
    const user = await payments.subscribe();
    payments.stripe.fake.inject({ kind: 'status', status: 503 }, { on: /POST \/v1\/customers\/cus/ });
    const email = await changeEmail(user);
    const failed = `SELECT 1 FROM identity_jobs.jobs WHERE task_identifier = 'user.email_changed' AND last_error IS NOT NULL`;
    await expect.poll(() => payments.sql(failed)).toHaveLength(1);
    expect(await addressOf(user.customer)).toBe(user.email);
    payments.stripe.fake.clearFaults();
    const again = `UPDATE identity_jobs._private_jobs SET run_at = now() WHERE key LIKE 'user.email_changed:%'`;
    await expect
      .poll(async () => {
        await payments.sql(`${again} AND locked_at IS NULL`);
        return addressOf(user.customer);
      })
      .toBe(email);
  });

  it('runs a job that version 0.1 queued under its former name', async () => {
    const user = await payments.subscribe();
    await payments.stripe.stripe.customers.update(user.customer, { email: 'former@example.com' });
    await payments.sql(
      `SELECT identity_jobs.add_job('bill-to-address', json_build_object('userId', id))
       FROM identity."User" WHERE stripe_customer_id = $1`,
      [user.customer],
    );
    await expect.poll(() => addressOf(user.customer)).toBe(user.email);
  });
});
