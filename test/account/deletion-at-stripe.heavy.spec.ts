import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type SignedIn } from '../support/gatekeeper.js';
import { startPayments, type TestPayments } from '../support/payments.js';

let payments: TestPayments;

beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());
afterEach(() => payments.stripe.fake.clearFaults());

const payer = () => payments.signIn({ emailVerified: false });
const isGone = async (customer: string) => (await payments.stripe.stripe.customers.retrieve(customer)).deleted === true;

/** Stripe creates the customer, and its response is lost. @returns the customer's id */
async function failCheckout(user: SignedIn): Promise<string> {
  // Twice, because Stripe's library retries broken connections, with the same idempotency key.
  payments.stripe.fake.inject({ kind: 'lose-answer' }, { on: /POST \/v1\/customers$/, times: 2 });
  expect((await payments.checkout(user)).status).toBe(503);
  payments.stripe.fake.clearFaults();
  const { data } = await payments.stripe.stripe.customers.list({ email: user.email });
  expect(data).toHaveLength(1);
  return data[0]?.id ?? '';
}

/** Deletes the account and waits until it is erased. */
async function remove({ uid }: SignedIn): Promise<void> {
  // Firebase dates sign-ins by the machine's clock.
  payments.clock.set(new Date());
  const headers = await payments.signInAgain(uid);
  const response = await fetch(`${payments.service.url}/account`, { method: 'DELETE', headers });
  expect(response.status).toBe(202);
  const row = () => payments.sql('SELECT 1 FROM identity."User" WHERE firebase_uid = $1', [uid]);
  await expect.poll(row, { timeout: 30_000 }).toEqual([]);
}

describe('deleting an account whose failed checkout left an unrecorded customer at Stripe', () => {
  it('deletes that customer, whether or not a later checkout succeeded', async () => {
    const [once, again] = [await payer(), await payer()];
    const [orphan, other] = [await failCheckout(once), await failCheckout(again)];
    const { customer: paid } = await payments.subscribe({ user: again });
    expect(paid).not.toBe(other);
    await remove(once);
    await remove(again);
    expect(await Promise.all([orphan, other, paid].map(isGone))).toEqual([true, true, true]);
  });

  it('deletes that customer even if the user has changed the address since', async () => {
    const user = await payer();
    const orphan = await failCheckout(user);
    payments.firebase.setEmail(user.uid, `${crypto.randomUUID()}@example.com`, true);
    await remove(user);
    expect(await isGone(orphan)).toBe(true);
  });

  it('deletes that customer even if Stripe’s customer search is unavailable', async () => {
    const user = await payer();
    const orphan = await failCheckout(user);
    payments.stripe.fake.inject({ kind: 'status', status: 400 }, { on: /GET \/v1\/customers\/search/ });
    await remove(user);
    expect(await isGone(orphan)).toBe(true);
  });
});
