import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { type SignedIn } from '../support/gatekeeper.js';
import { dayMs, startPayments, type TestPayments } from '../support/payments.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments({ TRIAL_DAYS: '7' });
});
afterAll(() => payments.stop());

const begin = async (person: SignedIn) => {
  const response = await payments.checkout(person);
  const answer = (await response.json()) as { readonly url: string; readonly trialDays: number };
  return { ...answer, status: response.status };
};

describe('a trial', () => {
  it('is given with the first checkout, once per person', async () => {
    const person = await payments.signIn();
    const begun = await begin(person);
    expect(begun.trialDays).toBe(7);
    payments.pay(begun.url, '5555555555554444');
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'TRIAL', next: null });
    expect(await payments.history(person)).toEqual([]);
    const ours = await payments.post('/subscription/trial', person.headers);
    expect(((await ours.json()) as { code: string }).code).toBe('trial_already_used');
    payments.advance(8 * dayMs);
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
  });

  it('is not given to who had ours', async () => {
    const person = await payments.signInWithTrial();
    expect(await begin(person)).toMatchObject({ status: 201, trialDays: 0 });
  });

  it('is not given to who has no verified address', async () => {
    const person = await payments.signIn({ emailVerified: false });
    expect(await begin(person)).toMatchObject({ status: 201, trialDays: 0 });
  });

  it('at Apple uses up the address of its owner, and never one that somebody only claims', async () => {
    // Firebase lets two accounts have one mailbox in two spellings, and one trial is what a mailbox may have.
    const spelling = (address: string) => address.replace('@', '+vpn@');
    const email = `${crypto.randomUUID()}@example.com`;
    const claims = await payments.signIn({ email: spelling(email), emailVerified: false });
    const owns = await payments.signIn({ email });
    const atApple = async (person: SignedIn) => {
      const { signedTransaction } = payments.apple.buy({ product: appleProducts.basic.id });
      await payments.post('/payment/apple/transactions', person.headers, { signedTransaction });
      expect(await payments.report(person)).toMatchObject({ state: 'TRIAL' });
    };
    await atApple(claims);
    const trial = async (person: SignedIn) => (await payments.post('/subscription/trial', person.headers)).status;
    expect(await trial(owns)).toBe(201);
    const another = await payments.signIn();
    await atApple(another);
    expect(await trial(another)).toBe(409);
    expect(await trial(await payments.signIn({ email: spelling(another.email) }))).toBe(409);
  });

  it('ends at once, and costs nothing, by a card that had one', async () => {
    const [first, second] = [await payments.signIn(), await payments.signIn()];
    const card = '4242424242424242';
    for (const person of [first, second]) {
      payments.pay((await begin(person)).url, card);
      await payments.settled();
    }
    expect(await payments.report(second)).toMatchObject({ active: false, state: 'EXPIRED' });
    expect(await payments.history(second)).toEqual([]);
    payments.pay((await begin(second)).url, card);
    await payments.settled();
    expect(await payments.report(second)).toMatchObject({ active: true, state: 'ACTIVE' });
  });
});
