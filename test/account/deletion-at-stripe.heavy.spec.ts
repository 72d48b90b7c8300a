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

/** Stripe makes the customer, and its answer is lost. @returns the customer */
async function failToBuy(person: SignedIn): Promise<string> {
  // Twice: Stripe's library asks again when a connection breaks, under the same key.
  payments.stripe.fake.inject({ kind: 'lose-answer' }, { on: /POST \/v1\/customers$/, times: 2 });
  expect((await payments.checkout(person)).status).toBe(503);
  payments.stripe.fake.clearFaults();
  const { data } = await payments.stripe.stripe.customers.list({ email: person.email });
  expect(data).toHaveLength(1);
  return data[0]?.id ?? '';
}

/** Deletes the account, and waits for the end of it. */
async function remove({ uid }: SignedIn): Promise<void> {
  // Firebase dates sign-ins by the machine's clock.
  payments.clock.set(new Date());
  const headers = await payments.signInAgain(uid);
  const answer = await fetch(`${payments.service.url}/account`, { method: 'DELETE', headers });
  expect(answer.status).toBe(202);
  const row = () => payments.sql('SELECT 1 FROM identity."User" WHERE firebase_uid = $1', [uid]);
  await expect.poll(row, { timeout: 30_000 }).toEqual([]);
}

describe('deleting an account, for whom a checkout that failed made a customer whom nobody wrote down,', () => {
  it('ends that one too, whether or not another attempt went well', async () => {
    const [once, again] = [await payer(), await payer()];
    const [orphan, other] = [await failToBuy(once), await failToBuy(again)];
    const { customer: paid } = await payments.subscribe({ person: again });
    expect(paid).not.toBe(other);
    await remove(once);
    await remove(again);
    expect(await Promise.all([orphan, other, paid].map(isGone))).toEqual([true, true, true]);
  });

  it('ends that one though the person has another address since', async () => {
    const person = await payer();
    const orphan = await failToBuy(person);
    payments.firebase.setEmail(person.uid, `${crypto.randomUUID()}@example.com`, true);
    await remove(person);
    expect(await isGone(orphan)).toBe(true);
  });

  it('ends that one though Stripe lets its merchant search for nobody', async () => {
    const person = await payer();
    const orphan = await failToBuy(person);
    payments.stripe.fake.inject({ kind: 'status', status: 400 }, { on: /GET \/v1\/customers\/search/ });
    await remove(person);
    expect(await isGone(orphan)).toBe(true);
  });
});
