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
  // What is held back here must not be given up on a busy machine.
  const patient = new StripeClient(stripe, 120_000);
  Object.assign(payments.service.app.get(OptionalStripe, { strict: false }), { client: patient });
});
afterAll(() => payments.stop());
afterEach(() => payments.stripe.fake.clearFaults());

/** What a change of address does, once somebody asks with the new one. */
async function move(
  { uid, headers }: SignedIn,
  { email = `${crypto.randomUUID()}@example.com`, proven = true } = {},
): Promise<string> {
  payments.firebase.setEmail(uid, email, proven);
  // Longer than an answer of Firebase is believed.
  payments.advance(61_000);
  expect((await payments.get('/subscription', headers)).status).toBe(200);
  return email;
}
const addressOf = async (customer: string) =>
  ((await payments.stripe.stripe.customers.retrieve(customer)) as Stripe.Customer).email;
const customersFor = async (email: string) => (await payments.stripe.stripe.customers.list({ email })).data;
/** Resolves when no job has an address still to tell. */
const done = () =>
  expect
    .poll(() => payments.sql(`SELECT 1 FROM identity_jobs.jobs WHERE task_identifier = 'user.email_changed'`), {
      timeout: 30_000,
    })
    .toEqual([]);
const held = () => expect.poll(() => payments.stripe.fake.requestsHeld()).toBe(1);
/** Stripe takes the next such request, and answers it when the faults are cleared. */
const slow = (on: RegExp) => payments.stripe.fake.inject({ kind: 'slow', milliseconds: 60_000 }, { on, times: 1 });

describe('the address that Stripe has', () => {
  it('is the one that the person has, also when they have another', async () => {
    const person = await payments.subscribe();
    expect(await addressOf(person.customer)).toBe(person.email);
    const email = await move(person);
    await expect.poll(() => addressOf(person.customer)).toBe(email);
  });

  it('is the last of two, though the first arrives after it', async () => {
    const person = await payments.subscribe();
    slow(/POST \/v1\/customers\/cus/);
    await move(person);
    await held();
    const last = await move(person);
    await expect.poll(() => addressOf(person.customer)).toBe(last);
    const asked = payments.stripe.fake.requestsHeld();
    payments.stripe.fake.clearFaults();
    expect(asked).toBe(1);
    await done();
    expect(await addressOf(person.customer)).toBe(last);
  });

  it('is the new one, though it changed while the customer was being made', async () => {
    const person = await payments.signIn({ emailVerified: false });
    slow(/POST \/v1\/customers$/);
    const checkout = payments.checkout(person);
    await held();
    const email = await move(person);
    payments.stripe.fake.clearFaults();
    expect((await checkout).status).toBe(201);
    expect(await customersFor(email)).toHaveLength(1);
    expect(await customersFor(person.email)).toEqual([]);
  });

  it('is a new one only once that is proven', async () => {
    const person = await payments.subscribe();
    const email = await move(person, { proven: false });
    await done();
    expect(await addressOf(person.customer)).toBe(person.email);
    await move(person, { email });
    await expect.poll(() => addressOf(person.customer)).toBe(email);
  });

  it('is none, rather than the former, when Stripe takes the new one for no address', async () => {
    const person = await payments.subscribe();
    await move(person, { email: `${crypto.randomUUID()}@localhost` });
    await expect.poll(() => addressOf(person.customer)).toBe(null);
  });

  it('is nobody’s when the customer has gone', async () => {
    const person = await payments.subscribe();
    await payments.stripe.stripe.customers.del(person.customer);
    await move(person);
    await done();
  });

  it('waits for Stripe to come back', async () => {
    const person = await payments.subscribe();
    payments.stripe.fake.inject({ kind: 'status', status: 503 }, { on: /POST \/v1\/customers\/cus/ });
    const email = await move(person);
    const failed = `SELECT 1 FROM identity_jobs.jobs WHERE task_identifier = 'user.email_changed' AND last_error IS NOT NULL`;
    await expect.poll(() => payments.sql(failed)).toHaveLength(1);
    expect(await addressOf(person.customer)).toBe(person.email);
    payments.stripe.fake.clearFaults();
    const again = `UPDATE identity_jobs._private_jobs SET run_at = now() WHERE key LIKE 'user.email_changed:%'`;
    await expect
      .poll(async () => {
        await payments.sql(`${again} AND locked_at IS NULL`);
        return addressOf(person.customer);
      })
      .toBe(email);
  });

  it('is brought by a job that the version before has left, too', async () => {
    const person = await payments.subscribe();
    await payments.stripe.stripe.customers.update(person.customer, { email: 'former@example.com' });
    await payments.sql(
      `SELECT identity_jobs.add_job('bill-to-address', json_build_object('userId', id))
       FROM identity."User" WHERE stripe_customer_id = $1`,
      [person.customer],
    );
    await expect.poll(() => addressOf(person.customer)).toBe(person.email);
  });
});
