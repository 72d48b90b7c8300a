import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Purchase } from '@vpn-backend/fake-providers/apple';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { type SignedIn } from '../support/gatekeeper.js';
import { dayMs, startPayments, type TestPayments } from '../support/payments.js';

const month = 31 * dayMs;

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

const claim = async (person: SignedIn, signedTransaction: string) => {
  const response = await payments.post('/payment/apple/transactions', person.headers, { signedTransaction });
  const answer = (await response.json()) as Readonly<Record<string, unknown>> & { readonly code?: string };
  return { ...answer, status: response.status };
};

const tokenOf = async (person: SignedIn) => {
  const response = await payments.get('/payment/apple/account', person.headers);
  return ((await response.json()) as { appAccountToken: string }).appAccountToken;
};

interface Buyer extends SignedIn, Purchase {
  /** The Apple Account. */
  readonly account: string;
}

/** Somebody who bought with the account's token in the purchase; nothing but notifications tells of it. */
async function buyer(product: string = appleProducts.plus.id): Promise<Buyer> {
  const person = await payments.signIn();
  const account = crypto.randomUUID();
  const bought = payments.apple.buy({ account, product, appAccountToken: await tokenOf(person) });
  await payments.settled();
  return { ...person, ...bought, account };
}

const later = async (milliseconds: number) => {
  payments.advance(milliseconds);
  await payments.settled();
};
const kinds = async (person: SignedIn) => (await payments.history(person)).map(({ kind, amount }) => [kind, amount]);

describe('a subscription through the App Store', () => {
  it('is paid, and renews', async () => {
    const person = await buyer();
    const first = await payments.report(person);
    expect(first).toMatchObject({ active: true, state: 'ACTIVE', reason: 'paid', plan: { id: 'plus' }, next: null });
    await later(month);
    const second = await payments.report(person);
    expect(second).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(Date.parse(second.until ?? '')).toBeGreaterThan(Date.parse(first.until ?? ''));
    expect(await kinds(person)).toEqual([
      ['charge', 999],
      ['charge', 999],
    ]);
  });

  it('begins with a free trial, which moves no money', async () => {
    const person = await buyer(appleProducts.basic.id);
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'TRIAL', plan: { id: 'basic' } });
    expect(await kinds(person)).toEqual([]);
    await later(8 * dayMs);
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await kinds(person)).toEqual([['charge', 499]]);
  });

  it('that cannot be billed has the grace that Apple gives, is then suspended, and recovers', async () => {
    const person = await buyer();
    payments.apple.breakBilling(person.originalTransactionId);
    await later(month);
    const inGrace = await payments.report(person);
    expect(inGrace).toMatchObject({ active: true, state: 'GRACE', next: { action: 'pay', provider: 'apple' } });
    payments.apple.holdDeliveries();
    payments.advance(Date.parse(inGrace.until ?? '') - payments.clock.now().getTime());
    expect(await payments.report(person)).toMatchObject({ active: false, state: 'SUSPENDED' });
    payments.apple.releaseDeliveries();
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({
      active: false,
      state: 'SUSPENDED',
      reason: 'payment_overdue',
    });
    payments.apple.fixBilling(person.originalTransactionId);
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
  });

  it('that Apple gave up billing has expired', async () => {
    const person = await buyer();
    payments.apple.breakBilling(person.originalTransactionId);
    await later(month);
    await later(61 * dayMs);
    expect(await payments.report(person)).toMatchObject({ active: false, state: 'EXPIRED' });
  });

  it('cancelled lasts to its end; resumed it goes on; bought again it begins again', async () => {
    const person = await buyer();
    payments.apple.setAutoRenew(person.originalTransactionId, false);
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({
      active: true,
      next: { action: 'resume', provider: 'apple' },
    });
    payments.apple.setAutoRenew(person.originalTransactionId, true);
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, next: null });
    payments.apple.setAutoRenew(person.originalTransactionId, false);
    await later(month);
    expect(await payments.report(person)).toMatchObject({ active: false, state: 'EXPIRED' });
    payments.apple.buy({ account: person.account, product: appleProducts.plus.id });
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect((await payments.report(person)).sources).toHaveLength(1);
  });

  it('moves up at once, and down with the next renewal', async () => {
    const person = await buyer(appleProducts.yearly.id);
    expect(await payments.report(person)).toMatchObject({ plan: { id: 'basic' } });
    payments.apple.buy({ account: person.account, product: appleProducts.plus.id });
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, plan: { id: 'plus' } });
    payments.apple.buy({ account: person.account, product: appleProducts.basic.id });
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, plan: { id: 'plus' } });
    await later(month);
    expect(await payments.report(person)).toMatchObject({ active: true, plan: { id: 'basic' } });
  });

  it('ends with its period when a higher price is not agreed to', async () => {
    const person = await buyer();
    payments.apple.increasePrice(person.originalTransactionId, 12_990);
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
    await later(month);
    expect(await payments.report(person)).toMatchObject({ active: false, state: 'EXPIRED' });
  });

  it('refunded is revoked, and restored when the refund is reversed', async () => {
    const person = await buyer();
    payments.apple.refund(person.transactionId);
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: false, state: 'REVOKED' });
    payments.apple.reverseRefund(person.transactionId);
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await kinds(person)).toEqual([
      ['charge', 999],
      ['refund', 999],
      ['reversal', 999],
    ]);
  });

  it('keeps access when an older payment is refunded', async () => {
    const person = await buyer();
    await later(month);
    payments.apple.refund(person.transactionId);
    await payments.settled();
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await kinds(person)).toContainEqual(['refund', 999]);
  });

  it('shared with the family gives access until it is not, and costs its user nothing', async () => {
    const owner = await buyer();
    const member = await payments.signIn();
    const shared = payments.apple.shareWithFamily(owner.originalTransactionId);
    await payments.settled();
    expect(await claim(member, shared.signedTransaction)).toMatchObject({ status: 200, active: true, state: 'ACTIVE' });
    expect(await kinds(member)).toEqual([]);
    payments.apple.revokeFromFamily(shared.originalTransactionId);
    await payments.settled();
    expect(await payments.report(member)).toMatchObject({ active: false, state: 'REVOKED' });
    expect(await payments.report(owner)).toMatchObject({ active: true });
    expect(await kinds(member)).toEqual([]);
  });
});

describe('POST /payment/apple/transactions', () => {
  const unnamed = () => payments.apple.buy({ product: appleProducts.plus.id });
  const deadLettered = (id: string) =>
    payments.sql(`SELECT state::text, reason FROM identity."WebhookEvent" WHERE object_ref = $1`, [id]);

  it('gives a purchase that names nobody to whoever shows it first, and its waiting events with it', async () => {
    const bought = unnamed();
    await payments.settled();
    expect(await deadLettered(bought.originalTransactionId)).toEqual([
      { state: 'dead_lettered', reason: 'unknown_account' },
    ]);
    const [first, second] = [await payments.signIn(), await payments.signIn()];
    expect(await claim(first, bought.signedTransaction)).toMatchObject({ status: 200, active: true });
    expect(await deadLettered(bought.originalTransactionId)).toEqual([{ state: 'done', reason: null }]);
    expect(await claim(first, bought.signedTransaction)).toMatchObject({ status: 200, active: true });
    expect(await claim(second, bought.signedTransaction)).toMatchObject({
      status: 409,
      code: 'purchase_of_another_account',
    });
    expect(await payments.report(second)).toMatchObject({ active: false });
    expect(await kinds(second)).toEqual([]);
  });

  it('gives it to one of many who show it at once, with its payments', async () => {
    const bought = unnamed();
    const people = await Promise.all(Array.from({ length: 10 }, () => payments.signIn()));
    const answers = await Promise.all(people.map((person) => claim(person, bought.signedTransaction)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ code }) => code === 'purchase_of_another_account')).toHaveLength(9);
    const winner = people[answers.findIndex(({ status }) => status === 200)];
    for (const person of people) expect(await kinds(person)).toEqual(person === winner ? [['charge', 999]] : []);
  });

  it('gives it to nobody but the account that the purchase names', async () => {
    const [buyer, thief] = [await payments.signIn(), await payments.signIn()];
    const bought = payments.apple.buy({ product: appleProducts.plus.id, appAccountToken: await tokenOf(buyer) });
    expect(await claim(thief, bought.signedTransaction)).toMatchObject({ code: 'purchase_of_another_account' });
    expect(await payments.report(buyer)).toMatchObject({ active: true });
    expect(await claim(buyer, bought.signedTransaction)).toMatchObject({ status: 200, active: true });
  });

  it('restores it to a new account, when the one that it names is gone', async () => {
    const before = await buyer();
    await payments.sql(`DELETE FROM identity."User" WHERE firebase_uid = $1`, [before.uid]);
    payments.apple.setAutoRenew(before.originalTransactionId, false);
    await payments.settled();
    expect(
      await payments.sql(`SELECT 1 FROM identity."Subscription" WHERE provider_ref = $1`, [
        `apple:${before.originalTransactionId}`,
      ]),
    ).toEqual([]);
    const after = await payments.signIn();
    const signed = payments.apple.signedTransaction(before.originalTransactionId);
    expect(await claim(after, signed)).toMatchObject({ status: 200, active: true });
  });

  it.each([
    ['signed by nobody', (good: string) => `${good.split('.').slice(0, 2).join('.')}.AAAA`],
    ['signed for another app', () => payments.apple.sign({ bundleId: 'com.example.other', environment: 'Sandbox' })],
    [
      'signed in another environment',
      () => payments.apple.sign({ bundleId: 'com.example.vpn', environment: 'Production', transactionId: '1' }),
    ],
    [
      'signed as local testing',
      () => payments.apple.sign({ bundleId: 'com.example.vpn', environment: 'LocalTesting' }, { x5c: [] }),
    ],
    ['signed by Xcode', () => payments.apple.sign({ bundleId: 'com.example.vpn', environment: 'Xcode' }, { x5c: [] })],
    [
      'of another kind of product',
      () =>
        payments.apple.sign({
          bundleId: 'com.example.vpn',
          environment: 'Sandbox',
          type: 'Consumable',
          originalTransactionId: '1',
        }),
    ],
    [
      'with "none" for an algorithm',
      (good: string) =>
        payments.apple.sign(JSON.parse(Buffer.from(good.split('.')[1] ?? '', 'base64url').toString()) as object, {
          alg: 'none',
        }),
    ],
  ])('refuses what is %s', async (_what, make) => {
    const person = await payments.signIn();
    const { signedTransaction } = unnamed();
    expect(await claim(person, make(signedTransaction))).toMatchObject({ status: 422, code: 'purchase_not_valid' });
    expect(await payments.report(person)).toMatchObject({ active: false });
  });

  it('refuses what Apple signed and does not know', async () => {
    const person = await payments.signIn();
    const signed = payments.apple.sign({
      bundleId: 'com.example.vpn',
      environment: 'Sandbox',
      type: 'Auto-Renewable Subscription',
      originalTransactionId: '999',
      transactionId: '999',
    });
    expect(await claim(person, signed)).toMatchObject({ status: 422, code: 'purchase_not_valid' });
  });

  it('refuses what is not signed text at all', async () => {
    const person = await payments.signIn();
    expect(await claim(person, 'hello')).toMatchObject({ status: 400, code: 'invalid_request' });
  });

  it('waits for Apple to come back', async () => {
    const person = await payments.signIn();
    const { signedTransaction } = unnamed();
    payments.apple.inject({ kind: 'status', status: 503 });
    try {
      expect(await claim(person, signedTransaction)).toMatchObject({
        status: 503,
        code: 'payment_provider_unavailable',
      });
    } finally {
      payments.apple.clearFaults();
    }
    expect(await claim(person, signedTransaction)).toMatchObject({ status: 200, active: true });
  });
});
