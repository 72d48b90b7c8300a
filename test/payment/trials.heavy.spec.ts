import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { type SignedIn } from '../support/gatekeeper.js';
import { dayMs, startPayments, type TestPayments } from '../support/payments.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments({ TRIAL_DAYS: '7' });
});
afterAll(() => payments.stop());

const begin = async (user: SignedIn) => {
  const response = await payments.checkout(user);
  const answer = (await response.json()) as { readonly url: string; readonly trialDays: number };
  return { ...answer, status: response.status };
};

describe('a trial', () => {
  it('is part of the first checkout, once per user', async () => {
    const user = await payments.signIn();
    const begun = await begin(user);
    expect(begun.trialDays).toBe(7);
    payments.pay(begun.url, '5555555555554444');
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'TRIAL', next: null });
    expect(await payments.history(user)).toEqual([]);
    const ours = await payments.post('/subscription/trial', user.headers);
    expect(((await ours.json()) as { code: string }).code).toBe('trial_already_used');
    payments.advance(8 * dayMs);
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
  });

  it('is not given to a user who had this service’s own trial', async () => {
    const user = await payments.signInWithTrial();
    expect(await begin(user)).toMatchObject({ status: 201, trialDays: 0 });
  });

  it('is not given to a user without a verified address', async () => {
    const user = await payments.signIn({ emailVerified: false });
    expect(await begin(user)).toMatchObject({ status: 201, trialDays: 0 });
  });

  it('at Apple counts for the user’s verified address, and not for an unverified one', async () => {
    // Firebase allows two accounts with two spellings of one mailbox. A mailbox may have one trial.
    const spelling = (address: string) => address.replace('@', '+vpn@');
    const email = `${crypto.randomUUID()}@example.com`;
    const claims = await payments.signIn({ email: spelling(email), emailVerified: false });
    const owns = await payments.signIn({ email });
    const atApple = async (user: SignedIn) => {
      const { signedTransaction } = payments.apple.buy({ product: appleProducts.basic.id });
      await payments.post('/payment/apple/transactions', user.headers, { signedTransaction });
      expect(await payments.report(user)).toMatchObject({ state: 'TRIAL' });
    };
    await atApple(claims);
    const trial = async (user: SignedIn) => (await payments.post('/subscription/trial', user.headers)).status;
    expect(await trial(owns)).toBe(201);
    const another = await payments.signIn();
    await atApple(another);
    expect(await trial(another)).toBe(409);
    expect(await trial(await payments.signIn({ email: spelling(another.email) }))).toBe(409);
  });

  it('ends at once and without a charge on a card that already had one', async () => {
    const [first, second] = [await payments.signIn(), await payments.signIn()];
    const card = '4242424242424242';
    for (const user of [first, second]) {
      payments.pay((await begin(user)).url, card);
      await payments.settled();
    }
    expect(await payments.report(second)).toMatchObject({ active: false, state: 'EXPIRED' });
    expect(await payments.history(second)).toEqual([]);
    payments.pay((await begin(second)).url, card);
    await payments.settled();
    expect(await payments.report(second)).toMatchObject({ active: true, state: 'ACTIVE' });
  });
});
