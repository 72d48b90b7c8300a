import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AppleBench, appleProducts, startApple } from '../testing/apple.js';

let bench: AppleBench;
beforeEach(async () => {
  bench = await startApple();
});
afterEach(() => bench.fake.close());

const { basic, plus, yearly } = appleProducts;
const token = '0d6ff3a1-6e1f-4b0c-9a0c-1f0c2b3d4e5f';
const day = 86_400_000;
const start = Date.parse('2030-01-01T12:00:00Z');

/** Fetches a subscription from the status endpoint and verifies its signed parts. */
async function fetchStatus(id: string, from = bench) {
  const { data } = await from.client.getAllSubscriptionStatuses(id);
  const item = data?.flatMap((group) => group.lastTransactions ?? []).find((one) => one.originalTransactionId === id);
  const verifier = from.verifier();
  return {
    status: item?.status,
    transaction: await verifier.verifyAndDecodeTransaction(item?.signedTransactionInfo ?? ''),
    renewal: await verifier.verifyAndDecodeRenewalInfo(item?.signedRenewalInfo ?? ''),
  };
}
/** Buys a subscription without a trial, so its first month is paid. */
function paid(product: string = plus.id, account?: string) {
  return bench.fake.buy({ product, appAccountToken: token, account }).originalTransactionId;
}

describe('FakeApple.buy', () => {
  it('starts a free trial only for an account that never subscribed', async () => {
    const { originalTransactionId: id, signedTransaction } = bench.fake.buy({ account: 'a', appAccountToken: token });
    expect(await bench.verifier().verifyAndDecodeTransaction(signedTransaction)).toMatchObject({
      originalTransactionId: id,
      transactionId: id,
      appAccountToken: token,
      productId: basic.id,
      price: 0,
      offerType: 1,
      offerDiscountType: 'FREE_TRIAL',
      offerPeriod: 'P7D',
      expiresDate: start + 7 * day,
      transactionReason: 'PURCHASE',
      inAppOwnershipType: 'PURCHASED',
      type: 'Auto-Renewable Subscription',
    });
    bench.fake.setAutoRenew(id, false);
    bench.fake.advanceDays(8);
    const again = bench.fake.buy({ account: 'a' });
    expect(again.originalTransactionId).toBe(id);
    const { transaction, status } = await fetchStatus(id);
    expect([status, transaction.price, transaction.offerType]).toEqual([1, 4990, undefined]);
    expect(await bench.sentNotifications()).toEqual([
      'SUBSCRIBED/INITIAL_BUY 1',
      'DID_CHANGE_RENEWAL_STATUS/AUTO_RENEW_DISABLED 1',
      'EXPIRED/VOLUNTARY 2',
      'SUBSCRIBED/RESUBSCRIBE 1',
    ]);
  });

  it('starts a subscription that renews by itself, on the last day of shorter months', async () => {
    bench.clock.set('2030-01-31T08:00:00Z');
    const id = paid();
    bench.clock.set('2030-03-31T08:00:00Z');
    const { transaction, renewal } = await fetchStatus(id);
    expect(transaction).toMatchObject({ transactionReason: 'RENEWAL', price: 9990, appAccountToken: token });
    expect(new Date(transaction.expiresDate ?? 0).toISOString()).toBe('2030-04-28T08:00:00.000Z');
    expect(renewal).toMatchObject({ autoRenewStatus: 1, autoRenewProductId: plus.id, renewalPrice: 9990 });
    expect(await bench.sentNotifications()).toEqual(['SUBSCRIBED/INITIAL_BUY 1', 'DID_RENEW 1', 'DID_RENEW 1']);
  });
});

describe('auto-renewal in FakeApple', () => {
  it('can be turned off, and on again before the end', async () => {
    const id = paid();
    bench.fake.setAutoRenew(id, false);
    bench.fake.setAutoRenew(id, false);
    expect((await fetchStatus(id)).renewal.autoRenewStatus).toBe(0);
    bench.fake.setAutoRenew(id, true);
    bench.fake.setAutoRenew(id, false);
    bench.fake.advanceDays(31);
    expect(await fetchStatus(id)).toMatchObject({ status: 2, renewal: { expirationIntent: 1 } });
    expect((await bench.sentNotifications()).slice(1)).toEqual([
      'DID_CHANGE_RENEWAL_STATUS/AUTO_RENEW_DISABLED 1',
      'DID_CHANGE_RENEWAL_STATUS/AUTO_RENEW_ENABLED 1',
      'DID_CHANGE_RENEWAL_STATUS/AUTO_RENEW_DISABLED 1',
      'EXPIRED/VOLUNTARY 2',
    ]);
  });
});

describe('a renewal that cannot be billed in FakeApple', () => {
  it('enters the grace period, then billing retry, and expires after sixty days', async () => {
    const id = paid();
    bench.fake.breakBilling(id);
    bench.fake.advanceDays(31);
    const grace = await fetchStatus(id);
    expect(grace).toMatchObject({ status: 4, renewal: { isInBillingRetryPeriod: true } });
    expect(grace.renewal.gracePeriodExpiresDate).toBe(Date.parse('2030-02-01T12:00:00Z') + 16 * day);
    bench.fake.advanceDays(16);
    expect(await fetchStatus(id)).toMatchObject({ status: 3, renewal: { isInBillingRetryPeriod: true } });
    expect((await fetchStatus(id)).renewal).not.toHaveProperty('gracePeriodExpiresDate');
    bench.fake.advanceDays(44);
    expect(await fetchStatus(id)).toMatchObject({
      status: 2,
      renewal: { expirationIntent: 2, isInBillingRetryPeriod: false },
    });
    expect((await bench.sentNotifications()).slice(1)).toEqual([
      'DID_FAIL_TO_RENEW/GRACE_PERIOD 4',
      'GRACE_PERIOD_EXPIRED 3',
      'EXPIRED/BILLING_RETRY 2',
    ]);
  });

  it('recovers without a gap during grace, and with a new period after grace', async () => {
    const [first, second] = [paid(), paid()];
    for (const id of [first, second]) bench.fake.breakBilling(id);
    bench.fake.advanceDays(33);
    bench.fake.fixBilling(first);
    const recovered = await fetchStatus(first);
    expect(recovered.status).toBe(1);
    expect(recovered.transaction.purchaseDate).toBe(Date.parse('2030-02-01T12:00:00Z'));
    bench.fake.advanceDays(17);
    bench.fake.fixBilling(second);
    expect((await fetchStatus(second)).transaction.purchaseDate).toBe(bench.fake.now().getTime());
    const sent = await bench.sentNotifications();
    expect(sent.filter((one) => one === 'DID_RENEW/BILLING_RECOVERY 1')).toHaveLength(2);
    bench.fake.advanceDays(61);
    expect((await fetchStatus(second)).status).toBe(1);
  });

  it('enters billing retry at once when the app has no grace period', async () => {
    const other = await startApple({ graceDays: 0 });
    const { originalTransactionId: id } = other.fake.buy({ product: plus.id });
    other.fake.breakBilling(id);
    other.fake.advanceDays(31);
    expect((await fetchStatus(id, other)).status).toBe(3);
    expect(await other.sentNotifications()).toEqual(['SUBSCRIBED/INITIAL_BUY 1', 'DID_FAIL_TO_RENEW 3']);
    await other.fake.close();
  });
});

describe('a change to another product of the group in FakeApple', () => {
  it('takes effect at once for a higher level', async () => {
    const id = paid(yearly.id, 'a');
    bench.fake.advanceDays(10);
    const upgraded = bench.fake.buy({ account: 'a', product: plus.id });
    expect(upgraded.originalTransactionId).toBe(id);
    const { transaction, renewal } = await fetchStatus(id);
    expect(transaction).toMatchObject({ productId: plus.id, purchaseDate: start + 10 * day });
    expect(renewal.autoRenewProductId).toBe(plus.id);
    const before = await bench.client.getTransactionInfo(id);
    expect(await bench.verifier().verifyAndDecodeTransaction(before.signedTransactionInfo ?? '')).toMatchObject({
      productId: yearly.id,
      isUpgraded: true,
    });
    expect((await bench.sentNotifications()).at(-1)).toBe('DID_CHANGE_RENEWAL_PREF/UPGRADE 1');
  });

  it('waits for the renewal for the same or a lower level, and can be undone', async () => {
    const id = paid(plus.id, 'a');
    bench.fake.buy({ account: 'a', product: basic.id });
    expect(await fetchStatus(id)).toMatchObject({
      transaction: { productId: plus.id },
      renewal: { autoRenewProductId: basic.id, renewalPrice: 4990 },
    });
    bench.fake.buy({ account: 'a', product: plus.id });
    bench.fake.buy({ account: 'a', product: basic.id });
    bench.fake.advanceDays(31);
    expect((await fetchStatus(id)).transaction).toMatchObject({ productId: basic.id, price: 4990 });
    expect((await bench.sentNotifications()).slice(1)).toEqual([
      'DID_CHANGE_RENEWAL_PREF/DOWNGRADE 1',
      'DID_CHANGE_RENEWAL_PREF 1',
      'DID_CHANGE_RENEWAL_PREF/DOWNGRADE 1',
      'DID_RENEW 1',
    ]);
  });
});

describe('a price increase in FakeApple', () => {
  it('ends the subscription when the customer does not consent', async () => {
    const id = paid();
    bench.fake.increasePrice(id, 11_990);
    expect((await fetchStatus(id)).renewal).toMatchObject({ priceIncreaseStatus: 0, renewalPrice: 11_990 });
    bench.fake.advanceDays(31);
    expect(await fetchStatus(id)).toMatchObject({ status: 2, renewal: { expirationIntent: 3 } });
    expect((await bench.sentNotifications()).slice(1)).toEqual([
      'PRICE_INCREASE/PENDING 1',
      'EXPIRED/PRICE_INCREASE 2',
    ]);
  });

  it('applies from the next renewal when the customer consents', async () => {
    const id = paid();
    bench.fake.increasePrice(id, 11_990);
    bench.fake.consentToPrice(id);
    bench.fake.advanceDays(62);
    expect((await fetchStatus(id)).transaction.price).toBe(11_990);
    expect((await bench.sentNotifications()).slice(1)).toEqual([
      'PRICE_INCREASE/PENDING 1',
      'PRICE_INCREASE/ACCEPTED 1',
      'DID_RENEW 1',
      'DID_RENEW 1',
    ]);
  });
});

describe('a refund in FakeApple', () => {
  it('revokes the subscription when it is for the latest transaction, and restores it when reversed', async () => {
    const id = paid();
    bench.fake.refund(id);
    expect(await fetchStatus(id)).toMatchObject({
      status: 5,
      transaction: { revocationDate: start, revocationReason: 0, revocationType: 'REFUND_FULL' },
    });
    bench.fake.advanceDays(1);
    bench.fake.reverseRefund(id);
    const back = await fetchStatus(id);
    expect(back.status).toBe(1);
    expect(back.transaction).not.toHaveProperty('revocationDate');
    expect((await bench.sentNotifications()).slice(1)).toEqual(['REFUND 5', 'REFUND_REVERSED 1']);
    bench.fake.advanceDays(30);
    expect((await bench.sentNotifications()).at(-1)).toBe('DID_RENEW 1');
  });

  it('stops renewals, so a reversal after the period leaves the subscription expired', async () => {
    const id = paid();
    bench.fake.refund(id);
    bench.fake.advanceDays(40);
    expect((await fetchStatus(id)).status).toBe(5);
    bench.fake.reverseRefund(id);
    expect((await fetchStatus(id)).status).toBe(2);
  });

  it('does not revoke the subscription when it is for an older transaction', async () => {
    const id = paid();
    bench.fake.advanceDays(31);
    bench.fake.refund(id);
    expect((await fetchStatus(id)).status).toBe(1);
    expect(() => bench.fake.refund(id)).toThrow('is already revoked');
    expect(await bench.sentNotifications()).toEqual(['SUBSCRIBED/INITIAL_BUY 1', 'DID_RENEW 1', 'REFUND 1']);
  });

  it('can be declined', async () => {
    const id = paid();
    bench.fake.declineRefund(id);
    expect((await bench.sentNotifications()).at(-1)).toBe('REFUND_DECLINED 1');
    expect((await fetchStatus(id)).status).toBe(1);
  });
});

describe('family sharing in FakeApple', () => {
  it('creates a subscription for the family member, without an appAccountToken', async () => {
    const id = paid();
    const shared = bench.fake.shareWithFamily(id);
    expect(shared.originalTransactionId).not.toBe(id);
    const { transaction } = await fetchStatus(shared.originalTransactionId);
    expect(transaction).toMatchObject({ inAppOwnershipType: 'FAMILY_SHARED', productId: plus.id });
    expect(transaction).not.toHaveProperty('appAccountToken');
    bench.fake.advanceDays(31);
    expect((await fetchStatus(shared.originalTransactionId)).transaction.transactionReason).toBe('RENEWAL');
  });

  it('ends for one member on request, and for all with a refund or the end of the subscription', async () => {
    const id = paid();
    const [one, two] = [bench.fake.shareWithFamily(id), bench.fake.shareWithFamily(id)].map(
      (shared) => shared.originalTransactionId,
    );
    bench.fake.revokeFromFamily(one ?? '');
    expect(await fetchStatus(one ?? '')).toMatchObject({ status: 5, transaction: { revocationType: 'FAMILY_REVOKE' } });
    expect([(await fetchStatus(id)).status, (await fetchStatus(two ?? '')).status]).toEqual([1, 1]);
    bench.fake.refund(id);
    expect((await fetchStatus(two ?? '')).status).toBe(5);
    expect((await bench.sentNotifications()).slice(-3)).toEqual(['REVOKE 5', 'REFUND 5', 'REVOKE 5']);

    const other = paid();
    const member = bench.fake.shareWithFamily(other).originalTransactionId;
    bench.fake.setAutoRenew(other, false);
    bench.fake.advanceDays(31);
    expect([(await fetchStatus(other)).status, (await fetchStatus(member)).status]).toEqual([2, 2]);
  });
});
