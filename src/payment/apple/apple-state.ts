import { type JWSTransactionDecodedPayload } from '@apple/app-store-server-library';
import { minorDigits, type SubscriptionState } from '../../subscription/index.js';
import { type AppleSubscription } from './apple.client.js';
import { type CurrentRefund } from '../history/payment-history.store.js';
import { type Movement, type ProviderSubscription } from '../providers/provider-subscription.js';

/** Maps the App Store's signed data to our states and movements (the table in docs/billing.md). */

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
    throw new TypeError('the transaction is not a subscription');
  }
  const state = states[status];
  const graceUntil = renewal.gracePeriodExpiresDate;
  return {
    providerRef: `apple:${originalTransactionId}`,
    status: state === 'ACTIVE' && offerDiscountType === 'FREE_TRIAL' ? 'TRIAL' : state,
    priceRef: productId,
    paidThrough: new Date(expiresDate),
    // Apple creates a transaction only after it was paid.
    settledThrough: new Date(expiresDate),
    graceUntil: state === 'GRACE' && graceUntil !== undefined ? new Date(graceUntil) : null,
    cancelAtPeriodEnd: renewal.autoRenewStatus === 0,
  };
}

/** The movements of one payment. A family-shared subscription has none: another user paid for it. */
export function appleMovements(transaction: JWSTransactionDecodedPayload): Movement[] {
  const { transactionId, price = 0, currency, purchaseDate, inAppOwnershipType } = transaction;
  if (transactionId === undefined || currency === undefined || purchaseDate === undefined) return [];
  if (price === 0 || inAppOwnershipType === 'FAMILY_SHARED') return [];
  const providerRef = `apple:${transactionId}`;
  const money = { amount: minorUnits(price, currency), currency: currency.toLowerCase() };
  const charge = { ...money, providerRef, kind: 'charge', occurredAt: new Date(purchaseDate) } as const;
  return [charge, ...refundOf(transaction, providerRef, money)];
}

/** The refund that Apple shows for a payment. It shows only the latest, so any earlier refund was reversed before it. */
export function currentRefund(transaction: JWSTransactionDecodedPayload, now: Date): CurrentRefund {
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
  // In thousandths of a percent: 50 % is 50000. Absent means a full refund.
  const share = (revocationPercentage ?? 100_000) / 100_000;
  const amount = Math.round(money.amount * share);
  const providerRef = refundRef(charge, revocationDate);
  return [{ ...money, amount, providerRef, kind: 'refund', occurredAt: new Date(revocationDate) }];
}

/** Apple states prices in thousandths of the currency's unit, for every currency. */
function minorUnits(milliunits: number, currency: string): number {
  return Math.round((milliunits * 10 ** minorDigits(currency)) / 1000);
}
