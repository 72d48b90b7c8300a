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

const read = (status: number, of: Partial<typeof transaction> = {}, renewal: JWSRenewalInfoDecodedPayload = {}) =>
  readAppleSubscription({ status, transaction: { ...transaction, ...of }, renewal });

describe('readAppleSubscription', () => {
  it.each([
    [1, 'ACTIVE'],
    [2, 'EXPIRED'],
    [3, 'SUSPENDED'],
    [4, 'GRACE'],
    [5, 'REVOKED'],
    [6, undefined],
  ])('maps status %i to %s', (status, state) => {
    expect(read(status)).toMatchObject({
      status: state,
      providerRef: 'apple:2000',
      priceRef: 'com.example.vpn.monthly',
      paidThrough: new Date('2030-02-01T00:00:00Z'),
    });
  });

  it('reports a trial only while a free offer is active', () => {
    expect(read(1, { offerDiscountType: 'FREE_TRIAL' }).status).toBe('TRIAL');
    expect(read(2, { offerDiscountType: 'FREE_TRIAL' }).status).toBe('EXPIRED');
    expect(read(1, { offerDiscountType: 'PAY_UP_FRONT' }).status).toBe('ACTIVE');
  });

  it('takes the grace deadline from Apple, and only in the grace state', () => {
    const renewal = { gracePeriodExpiresDate: time('2030-02-17T00:00:00Z') };
    expect(read(4, {}, renewal).graceUntil).toEqual(new Date('2030-02-17T00:00:00Z'));
    expect(read(3, {}, renewal).graceUntil).toBeNull();
  });

  it('reports a cancellation when automatic renewal is off', () => {
    expect(read(1, {}, { autoRenewStatus: 0 }).cancelAtPeriodEnd).toBe(true);
    expect(read(1, {}, { autoRenewStatus: 1 }).cancelAtPeriodEnd).toBe(false);
  });

  it.each(['originalTransactionId', 'productId', 'expiresDate'] as const)(
    'throws for a transaction without %s',
    (field) => {
      expect(() => read(1, { [field]: undefined })).toThrow('not a subscription');
    },
  );
});

describe('appleMovements', () => {
  const movementsOf = (of: Partial<typeof transaction>) => appleMovements({ ...transaction, ...of });

  it('reports a payment as a charge', () => {
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
  ])('converts in %s %i thousandths to %i minor units', (currency, price, amount) => {
    expect(movementsOf({ currency, price })).toMatchObject([{ amount, currency: currency.toLowerCase() }]);
  });

  it('reports nothing for a free trial and for a family-shared subscription', () => {
    expect(movementsOf({ price: 0 })).toEqual([]);
    expect(movementsOf({ inAppOwnershipType: 'FAMILY_SHARED' })).toEqual([]);
  });

  it('reports a refund beside the charge, in full or by the percentage that Apple states', () => {
    const revocationDate = time('2030-01-05T00:00:00Z');
    const refund = {
      providerRef: `apple:2001:refund:${revocationDate}`,
      kind: 'refund',
      occurredAt: new Date(revocationDate),
    };
    expect(movementsOf({ revocationDate })[1]).toMatchObject({ ...refund, amount: 499 });
    expect(movementsOf({ revocationDate, revocationPercentage: 50_000 })[1]).toMatchObject({ ...refund, amount: 250 });
  });

  it('reports no refund when family sharing ends', () => {
    expect(movementsOf({ revocationDate: 1, revocationType: 'FAMILY_REVOKE' })).toHaveLength(1);
  });
});
