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

const claim = async (user: SignedIn, signedTransaction: string) => {
  const response = await payments.post('/payment/apple/transactions', user.headers, { signedTransaction });
  const answer = (await response.json()) as Readonly<Record<string, unknown>> & { readonly code?: string };
  return { ...answer, status: response.status };
};

const tokenOf = async (user: SignedIn) => {
  const response = await payments.get('/payment/apple/account', user.headers);
  return ((await response.json()) as { appAccountToken: string }).appAccountToken;
};

interface Buyer extends SignedIn, Purchase {
  /** The Apple Account. */
  readonly account: string;
}

/** A user who bought with their account's token. The service learns of the purchase only from notifications. */
async function buyer(product: string = appleProducts.plus.id): Promise<Buyer> {
  const user = await payments.signIn();
  const account = crypto.randomUUID();
  const bought = payments.apple.buy({ account, product, appAccountToken: await tokenOf(user) });
  await payments.settled();
  return { ...user, ...bought, account };
}

const advance = async (milliseconds: number) => {
  payments.advance(milliseconds);
  await payments.settled();
};
const movements = async (user: SignedIn) => (await payments.history(user)).map(({ kind, amount }) => [kind, amount]);

describe('a subscription through the App Store', () => {
  it('gives access when it is paid, and renews', async () => {
    const user = await buyer();
    const first = await payments.report(user);
    expect(first).toMatchObject({ active: true, state: 'ACTIVE', reason: 'paid', plan: { id: 'plus' }, next: null });
    await advance(month);
    const second = await payments.report(user);
    expect(second).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(Date.parse(second.until ?? '')).toBeGreaterThan(Date.parse(first.until ?? ''));
    expect(await movements(user)).toEqual([
      ['charge', 999],
      ['charge', 999],
    ]);
  });

  it('starts with a free trial, which is not charged', async () => {
    const user = await buyer(appleProducts.basic.id);
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'TRIAL', plan: { id: 'basic' } });
    expect(await movements(user)).toEqual([]);
    await advance(8 * dayMs);
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await movements(user)).toEqual([['charge', 499]]);
  });

  it('enters Apple’s grace period when billing fails, is then suspended, and recovers', async () => {
    const user = await buyer();
    payments.apple.breakBilling(user.originalTransactionId);
    await advance(month);
    const inGrace = await payments.report(user);
    expect(inGrace).toMatchObject({ active: true, state: 'GRACE', next: { action: 'pay', provider: 'apple' } });
    payments.apple.holdDeliveries();
    payments.advance(Date.parse(inGrace.until ?? '') - payments.clock.now().getTime());
    expect(await payments.report(user)).toMatchObject({ active: false, state: 'SUSPENDED' });
    payments.apple.releaseDeliveries();
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({
      active: false,
      state: 'SUSPENDED',
      reason: 'payment_overdue',
    });
    payments.apple.fixBilling(user.originalTransactionId);
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
  });

  it('expires when Apple stops retrying to bill it', async () => {
    const user = await buyer();
    payments.apple.breakBilling(user.originalTransactionId);
    await advance(month);
    await advance(61 * dayMs);
    expect(await payments.report(user)).toMatchObject({ active: false, state: 'EXPIRED' });
  });

  it('ends with its period when it is cancelled, continues when resumed, and starts again when bought again', async () => {
    const user = await buyer();
    payments.apple.setAutoRenew(user.originalTransactionId, false);
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({
      active: true,
      next: { action: 'resume', provider: 'apple' },
    });
    payments.apple.setAutoRenew(user.originalTransactionId, true);
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, next: null });
    payments.apple.setAutoRenew(user.originalTransactionId, false);
    await advance(month);
    expect(await payments.report(user)).toMatchObject({ active: false, state: 'EXPIRED' });
    payments.apple.buy({ account: user.account, product: appleProducts.plus.id });
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect((await payments.report(user)).sources).toHaveLength(1);
  });

  it('upgrades at once, and downgrades with the next renewal', async () => {
    const user = await buyer(appleProducts.yearly.id);
    expect(await payments.report(user)).toMatchObject({ plan: { id: 'basic' } });
    payments.apple.buy({ account: user.account, product: appleProducts.plus.id });
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, plan: { id: 'plus' } });
    payments.apple.buy({ account: user.account, product: appleProducts.basic.id });
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, plan: { id: 'plus' } });
    await advance(month);
    expect(await payments.report(user)).toMatchObject({ active: true, plan: { id: 'basic' } });
  });

  it('ends with its period when the user does not consent to a higher price', async () => {
    const user = await buyer();
    payments.apple.increasePrice(user.originalTransactionId, 12_990);
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
    await advance(month);
    expect(await payments.report(user)).toMatchObject({ active: false, state: 'EXPIRED' });
  });

  it('is revoked by a refund, and restored when the refund is reversed', async () => {
    const user = await buyer();
    payments.apple.refund(user.transactionId);
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: false, state: 'REVOKED' });
    payments.apple.reverseRefund(user.transactionId);
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await movements(user)).toEqual([
      ['charge', 999],
      ['refund', 999],
      ['reversal', 999],
    ]);
  });

  it('keeps access when an older payment is refunded', async () => {
    const user = await buyer();
    await advance(month);
    payments.apple.refund(user.transactionId);
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await movements(user)).toContainEqual(['refund', 999]);
  });

  it('gives access to a family member while it is shared, without a payment by them', async () => {
    const owner = await buyer();
    const member = await payments.signIn();
    const shared = payments.apple.shareWithFamily(owner.originalTransactionId);
    await payments.settled();
    expect(await claim(member, shared.signedTransaction)).toMatchObject({ status: 200, active: true, state: 'ACTIVE' });
    expect(await movements(member)).toEqual([]);
    payments.apple.revokeFromFamily(shared.originalTransactionId);
    await payments.settled();
    expect(await payments.report(member)).toMatchObject({ active: false, state: 'REVOKED' });
    expect(await payments.report(owner)).toMatchObject({ active: true });
    expect(await movements(member)).toEqual([]);
  });
});

describe('POST /payment/apple/transactions', () => {
  const buyWithoutAccount = () => payments.apple.buy({ product: appleProducts.plus.id });
  const eventsOf = (id: string) =>
    payments.sql(`SELECT state::text, reason FROM identity."WebhookEvent" WHERE object_ref = $1`, [id]);

  it('gives a purchase without an account token to the first user who claims it, and settles its events', async () => {
    const bought = buyWithoutAccount();
    await payments.settled();
    expect(await eventsOf(bought.originalTransactionId)).toEqual([
      { state: 'dead_lettered', reason: 'unknown_account' },
    ]);
    const [first, second] = [await payments.signIn(), await payments.signIn()];
    expect(await claim(first, bought.signedTransaction)).toMatchObject({ status: 200, active: true });
    expect(await eventsOf(bought.originalTransactionId)).toEqual([{ state: 'done', reason: null }]);
    expect(await claim(first, bought.signedTransaction)).toMatchObject({ status: 200, active: true });
    expect(await claim(second, bought.signedTransaction)).toMatchObject({
      status: 409,
      code: 'purchase_of_another_account',
    });
    expect(await payments.report(second)).toMatchObject({ active: false });
    expect(await movements(second)).toEqual([]);
  });

  it('gives a purchase with its payments to one of many users who claim it at once', async () => {
    const bought = buyWithoutAccount();
    const users = await Promise.all(Array.from({ length: 10 }, () => payments.signIn()));
    const answers = await Promise.all(users.map((user) => claim(user, bought.signedTransaction)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ code }) => code === 'purchase_of_another_account')).toHaveLength(9);
    const winner = users[answers.findIndex(({ status }) => status === 200)];
    for (const user of users) expect(await movements(user)).toEqual(user === winner ? [['charge', 999]] : []);
  });

  it('gives a purchase only to the account that it names', async () => {
    const [buyer, thief] = [await payments.signIn(), await payments.signIn()];
    const bought = payments.apple.buy({ product: appleProducts.plus.id, appAccountToken: await tokenOf(buyer) });
    expect(await claim(thief, bought.signedTransaction)).toMatchObject({ code: 'purchase_of_another_account' });
    expect(await payments.report(buyer)).toMatchObject({ active: true });
    expect(await claim(buyer, bought.signedTransaction)).toMatchObject({ status: 200, active: true });
  });

  it('gives a purchase to a new account when the account that it names was deleted', async () => {
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
    ['not signed', (good: string) => `${good.split('.').slice(0, 2).join('.')}.AAAA`],
    ['signed for another app', () => payments.apple.sign({ bundleId: 'com.example.other', environment: 'Sandbox' })],
    [
      'signed in another environment',
      () => payments.apple.sign({ bundleId: 'com.example.vpn', environment: 'Production', transactionId: '1' }),
    ],
    [
      'signed for local testing',
      () => payments.apple.sign({ bundleId: 'com.example.vpn', environment: 'LocalTesting' }, { x5c: [] }),
    ],
    ['signed by Xcode', () => payments.apple.sign({ bundleId: 'com.example.vpn', environment: 'Xcode' }, { x5c: [] })],
    [
      'for another kind of product',
      () =>
        payments.apple.sign({
          bundleId: 'com.example.vpn',
          environment: 'Sandbox',
          type: 'Consumable',
          originalTransactionId: '1',
        }),
    ],
    [
      'signed with the algorithm "none"',
      (good: string) =>
        payments.apple.sign(JSON.parse(Buffer.from(good.split('.')[1] ?? '', 'base64url').toString()) as object, {
          alg: 'none',
        }),
    ],
  ])('refuses a transaction that is %s', async (_what, make) => {
    const user = await payments.signIn();
    const { signedTransaction } = buyWithoutAccount();
    expect(await claim(user, make(signedTransaction))).toMatchObject({ status: 422, code: 'purchase_not_valid' });
    expect(await payments.report(user)).toMatchObject({ active: false });
  });

  it('refuses a signed transaction that Apple does not know', async () => {
    const user = await payments.signIn();
    const signed = payments.apple.sign({
      bundleId: 'com.example.vpn',
      environment: 'Sandbox',
      type: 'Auto-Renewable Subscription',
      originalTransactionId: '999',
      transactionId: '999',
    });
    expect(await claim(user, signed)).toMatchObject({ status: 422, code: 'purchase_not_valid' });
  });

  it('refuses a text that is not a JWS', async () => {
    const user = await payments.signIn();
    expect(await claim(user, 'hello')).toMatchObject({ status: 400, code: 'invalid_request' });
  });

  it('answers 503 while Apple is down, and succeeds afterwards', async () => {
    const user = await payments.signIn();
    const { signedTransaction } = buyWithoutAccount();
    payments.apple.inject({ kind: 'status', status: 503 });
    try {
      expect(await claim(user, signedTransaction)).toMatchObject({
        status: 503,
        code: 'payment_provider_unavailable',
      });
    } finally {
      payments.apple.clearFaults();
    }
    expect(await claim(user, signedTransaction)).toMatchObject({ status: 200, active: true });
  });
});
