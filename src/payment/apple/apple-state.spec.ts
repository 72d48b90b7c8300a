import { type JWSRenewalInfoDecodedPayload, type JWSTransactionDecodedPayload } from '@apple/app-store-server-library';
import { describe, expect, it } from 'vitest';
import { readAppleSubscription, appleMovements } from './apple-state.js';

const time = (text: string) => Date.parse(text);

const transaction: JWSTransactionDecodedPayload = {
  originalTransactionId: '2000',
  transactionId: '2001',
  productId: 'com.example.vpn.monthly',
  expiresDate: time('2030-02-01T00:00:00Z'),
  purchaseDate: time('2030-01-01T00:00:00Z'),
  price: 4990,
  currency: 'EUR',
  inAppOwnershipType: 'PURCHASED',
};

const factsOf = (status: number, of: Partial<typeof transaction> = {}, renewal: JWSRenewalInfoDecodedPayload = {}) =>
  readAppleSubscription({ status, transaction: { ...transaction, ...of }, renewal });

describe('the state of a subscription', () => {
  it.each([
    [1, 'ACTIVE'],
    [2, 'EXPIRED'],
    [3, 'SUSPENDED'],
    [4, 'GRACE'],
    [5, 'REVOKED'],
    [6, undefined],
  ])('status %i is %s', (status, state) => {
    expect(factsOf(status)).toMatchObject({
      status: state,
      providerRef: 'apple:2000',
      priceRef: 'com.example.vpn.monthly',
      paidThrough: new Date('2030-02-01T00:00:00Z'),
    });
  });

  it('is a trial while a free offer runs, and only while it runs', () => {
    expect(factsOf(1, { offerDiscountType: 'FREE_TRIAL' }).status).toBe('TRIAL');
    expect(factsOf(2, { offerDiscountType: 'FREE_TRIAL' }).status).toBe('EXPIRED');
    expect(factsOf(1, { offerDiscountType: 'PAY_UP_FRONT' }).status).toBe('ACTIVE');
  });

  it('has grace to the deadline that Apple gives, in grace alone', () => {
    const renewal = { gracePeriodExpiresDate: time('2030-02-17T00:00:00Z') };
    expect(factsOf(4, {}, renewal).graceUntil).toEqual(new Date('2030-02-17T00:00:00Z'));
    expect(factsOf(3, {}, renewal).graceUntil).toBeNull();
  });

  it('is cancelled when it is not to renew', () => {
    expect(factsOf(1, {}, { autoRenewStatus: 0 }).cancelAtPeriodEnd).toBe(true);
    expect(factsOf(1, {}, { autoRenewStatus: 1 }).cancelAtPeriodEnd).toBe(false);
  });

  it.each(['originalTransactionId', 'productId', 'expiresDate'] as const)('is none without %s', (field) => {
    expect(() => factsOf(1, { [field]: undefined })).toThrow('no subscription');
  });
});

describe('movements', () => {
  const movementsOf = (of: Partial<typeof transaction>) => appleMovements({ ...transaction, ...of });

  it('a payment is a charge', () => {
    expect(movementsOf({})).toEqual([
      {
        providerRef: 'apple:2001',
        kind: 'charge',
        amount: 499,
        currency: 'eur',
        occurredAt: new Date('2030-01-01T00:00:00Z'),
      },
    ]);
  });

  it.each([
    ['JPY', 600_000, 600],
    ['KWD', 1_500, 1_500],
    ['USD', 9_995, 1_000],
    ['ISK', 999_000, 99_900],
  ])('in %s, %i thousandths are %i', (currency, price, amount) => {
    expect(movementsOf({ currency, price })).toMatchObject([{ amount, currency: currency.toLowerCase() }]);
  });

  it('a free trial, or what a family shares, moves none', () => {
    expect(movementsOf({ price: 0 })).toEqual([]);
    expect(movementsOf({ inAppOwnershipType: 'FAMILY_SHARED' })).toEqual([]);
  });

  it('a refund is one beside the charge, in full or by the share that Apple says', () => {
    const revocationDate = time('2030-01-05T00:00:00Z');
    const refund = {
      providerRef: `apple:2001:refund:${revocationDate}`,
      kind: 'refund',
      occurredAt: new Date(revocationDate),
    };
    expect(movementsOf({ revocationDate })[1]).toMatchObject({ ...refund, amount: 499 });
    expect(movementsOf({ revocationDate, revocationPercentage: 50_000 })[1]).toMatchObject({ ...refund, amount: 250 });
  });

  it('what a family shares no longer is no refund', () => {
    expect(movementsOf({ revocationDate: 1, revocationType: 'FAMILY_REVOKE' })).toHaveLength(1);
  });
});
