import {
  InAppOwnershipType,
  OfferDiscountType,
  OfferType,
  type TransactionReason,
  Type,
} from '@apple/app-store-server-library';
import { periodAfter, type Product } from './products.js';
import { type State, type Subscription, type Transaction } from './state.js';

export interface NewTransaction {
  readonly product: Product;
  readonly reason: TransactionReason;
  readonly from: number;
  readonly isTrial: boolean;
  readonly price?: number;
}

/**
 * Adds a transaction, which becomes the subscription's latest one.
 * https://developer.apple.com/documentation/appstoreserverapi/jwstransactiondecodedpayload
 */
export function addTransaction(state: State, subscription: Subscription, params: NewTransaction): Transaction {
  const { product, reason, from, isTrial } = params;
  const first = state.transactions.get(subscription.transactions[0] ?? '');
  const transaction: Transaction = {
    transactionId: first ? state.newTransactionId() : subscription.originalTransactionId,
    originalTransactionId: subscription.originalTransactionId,
    webOrderLineItemId: state.newTransactionId(),
    bundleId: state.app.bundleId,
    productId: product.id,
    subscriptionGroupIdentifier: product.group,
    purchaseDate: from,
    originalPurchaseDate: first?.originalPurchaseDate ?? from,
    expiresDate: isTrial ? from + (product.trialDays ?? 0) * 86_400_000 : periodAfter(from, product.period),
    quantity: 1,
    type: Type.AUTO_RENEWABLE_SUBSCRIPTION,
    inAppOwnershipType: subscription.sharedFrom ? InAppOwnershipType.FAMILY_SHARED : InAppOwnershipType.PURCHASED,
    environment: state.app.environment,
    storefront: 'DEU',
    storefrontId: '143443',
    transactionReason: reason,
    currency: product.currency,
    price: isTrial ? 0 : (params.price ?? product.price),
    ...(subscription.appAccountToken !== undefined && { appAccountToken: subscription.appAccountToken }),
    ...(isTrial && {
      offerType: OfferType.INTRODUCTORY_OFFER,
      offerDiscountType: OfferDiscountType.FREE_TRIAL,
      offerPeriod: `P${product.trialDays ?? 0}D`,
    }),
  };
  state.transactions.set(transaction.transactionId, transaction);
  subscription.transactions.push(transaction.transactionId);
  return transaction;
}
