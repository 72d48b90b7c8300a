import { type JWSTransactionDecodedPayload } from '@apple/app-store-server-library';
import { minorDigits, type SubscriptionState } from '../../subscription/index.js';
import { type AppleSubscription } from './apple.client.js';
import { type RefundedNow } from '../history/payment-history.store.js';
import { type Movement, type ProviderSubscription } from '../providers/provider-subscription.js';

/** The table of billing for the App Store: what its signed data says, as plain values. */

/** https://developer.apple.com/documentation/appstoreserverapi/status */
const states: Readonly<Partial<Record<number, SubscriptionState>>> = {
  1: 'ACTIVE',
  2: 'EXPIRED',
  3: 'SUSPENDED',
  4: 'GRACE',
  5: 'REVOKED',
};

export function readAppleSubscription({ status, transaction, renewal }: AppleSubscription): ProviderSubscription {
  const { originalTransactionId, productId, expiresDate, offerDiscountType } = transaction;
  if (originalTransactionId === undefined || productId === undefined || expiresDate === undefined) {
    throw new TypeError('a transaction that is no subscription');
  }
  const state = states[status];
  const graceUntil = renewal.gracePeriodExpiresDate;
  return {
    providerRef: `apple:${originalTransactionId}`,
    status: state === 'ACTIVE' && offerDiscountType === 'FREE_TRIAL' ? 'TRIAL' : state,
    priceRef: productId,
    paidThrough: new Date(expiresDate),
    // There is no transaction before its money.
    settledThrough: new Date(expiresDate),
    graceUntil: state === 'GRACE' && graceUntil !== undefined ? new Date(graceUntil) : null,
    cancelAtPeriodEnd: renewal.autoRenewStatus === 0,
  };
}

/** What moved in one payment of a subscription. What a family member shares was paid by somebody else. */
export function appleMovements(transaction: JWSTransactionDecodedPayload): Movement[] {
  const { transactionId, price = 0, currency, purchaseDate, inAppOwnershipType } = transaction;
  if (transactionId === undefined || currency === undefined || purchaseDate === undefined) return [];
  if (price === 0 || inAppOwnershipType === 'FAMILY_SHARED') return [];
  const providerRef = `apple:${transactionId}`;
  const money = { amount: minorUnits(price, currency), currency: currency.toLowerCase() };
  const charge = { ...money, providerRef, kind: 'charge', occurredAt: new Date(purchaseDate) } as const;
  return [charge, ...refundOf(transaction, providerRef, money)];
}

/** What Apple shows of a payment now. It shows one refund: one before it has been reversed, at some time in between. */
export function refundedNow(transaction: JWSTransactionDecodedPayload, now: Date): RefundedNow {
  const { transactionId = '', revocationDate } = transaction;
  const charge = `apple:${transactionId}`;
  if (revocationDate === undefined) return { charge, refund: null, reversedBy: now };
  return { charge, refund: refundRef(charge, revocationDate), reversedBy: new Date(revocationDate) };
}

const refundRef = (charge: string, revocationDate: number) => `${charge}:refund:${revocationDate}`;

function refundOf(
  { revocationDate, revocationType, revocationPercentage }: JWSTransactionDecodedPayload,
  charge: string,
  money: Pick<Movement, 'amount' | 'currency'>,
): Movement[] {
  if (revocationDate === undefined || revocationType === 'FAMILY_REVOKE') return [];
  // In thousandths of a percent: 50 % is 50000. Absent, all of it.
  const share = (revocationPercentage ?? 100_000) / 100_000;
  const amount = Math.round(money.amount * share);
  const providerRef = refundRef(charge, revocationDate);
  return [{ ...money, amount, providerRef, kind: 'refund', occurredAt: new Date(revocationDate) }];
}

/** Apple counts in thousandths of the currency's unit, whatever its minor unit is. */
function minorUnits(milliunits: number, currency: string): number {
  return Math.round((milliunits * 10 ** minorDigits(currency)) / 1000);
}
