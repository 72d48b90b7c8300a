import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { type SignedIn } from '../support/gatekeeper.js';
import { dayMs, startPayments, type TestPayments } from '../support/payments.js';

/** Apple shows only the latest refund of a payment, and none that was reversed. The payment history must have them all. */

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());
afterEach(() => payments.apple.releaseDeliveries());

async function buyer() {
  const user = await payments.signIn();
  const response = await payments.get('/payment/apple/account', user.headers);
  const account = (await response.json()) as { appAccountToken: string };
  const bought = payments.apple.buy({ product: appleProducts.plus.id, ...account });
  await payments.settled();
  return { ...user, ...bought };
}
const advanceOneDay = async () => {
  payments.advance(dayMs);
  await payments.settled();
};
const movements = async (user: SignedIn) => (await payments.history(user)).map(({ kind, amount }) => [kind, amount]);

describe('the payment history of an App Store subscription', () => {
  it('has a refund, its reversal and a second refund, although the reversal was never fetched', async () => {
    const user = await buyer();
    await advanceOneDay();
    payments.apple.refund(user.transactionId);
    await payments.settled();
    payments.apple.holdDeliveries();
    payments.advance(dayMs);
    payments.apple.reverseRefund(user.transactionId);
    payments.advance(dayMs);
    payments.apple.refund(user.transactionId);
    payments.apple.releaseDeliveries();
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: false, state: 'REVOKED' });
    const expected = [
      ['charge', 999],
      ['refund', 999],
      ['refund', 999],
      ['reversal', 999],
    ];
    expect((await movements(user)).sort()).toEqual(expected);
    await advanceOneDay();
    payments.apple.reverseRefund(user.transactionId);
    await payments.settled();
    expect((await movements(user)).sort()).toEqual([...expected, ['reversal', 999]]);
    expect(await payments.report(user)).toMatchObject({ active: true });
  });

  it('has a partial refund of the current payment, which ends the subscription', async () => {
    const user = await buyer();
    payments.advance(dayMs * 10);
    payments.apple.refundPart(user.transactionId, 62.5);
    await payments.settled();
    expect(await movements(user)).toEqual([
      ['charge', 999],
      ['refund', 624],
    ]);
    expect(await payments.report(user)).toMatchObject({ active: false, state: 'REVOKED' });
  });

  it('has a partial refund of an older payment, which leaves access unchanged', async () => {
    const user = await buyer();
    payments.advance(dayMs * 31);
    await payments.settled();
    payments.apple.refundPart(user.transactionId, 10);
    await payments.settled();
    expect((await movements(user)).sort()).toEqual([
      ['charge', 999],
      ['charge', 999],
      ['refund', 100],
    ]);
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
  });
});
