import { Environment } from '@apple/app-store-server-library';
import { z } from 'zod';
import { notificationHistory, testStatus } from './notification-history.js';
import { type Notifications } from './notifications.js';
import { apiErrors } from './api-error.js';
import { type State, type Subscription, type Transaction } from './state.js';

interface Request {
  readonly query: URLSearchParams;
  readonly body: unknown;
  /** The path's parameter, or empty. */
  readonly id: string;
}

export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  handle(request: Request): object;
}

/** Transactions on a page of the history. */
const pageSize = 20;

/** The endpoints of the App Store Server API that a backend with subscriptions calls. */
export function routes(state: State, notifications: Notifications): readonly Route[] {
  const common = { bundleId: state.app.bundleId, environment: state.app.environment };
  const app =
    state.app.environment === Environment.PRODUCTION ? { ...common, appAppleId: state.app.appAppleId } : common;
  return [
    {
      method: 'GET',
      path: /^\/inApps\/v1\/subscriptions\/([^/]+)$/,
      handle: ({ id, query }) => ({
        ...app,
        data: statuses(state, notifications, find(state, id), query.getAll('status')),
      }),
    },
    {
      method: 'GET',
      path: /^\/inApps\/v1\/transactions\/([^/]+)$/,
      handle: ({ id }) => ({ signedTransactionInfo: notifications.signTransaction(find(state, id)) }),
    },
    {
      method: 'GET',
      path: /^\/inApps\/v2\/history\/([^/]+)$/,
      handle: ({ id, query }) => ({ ...app, ...history(state, notifications, find(state, id), query) }),
    },
    {
      method: 'POST',
      path: /^\/inApps\/v1\/notifications\/history$/,
      handle: ({ query, body }) => notificationHistory(state, notifications, query.get('paginationToken'), body),
    },
    {
      method: 'POST',
      path: /^\/inApps\/v1\/notifications\/test$/,
      handle: () => {
        if (notifications.url === undefined) throw apiErrors.noNotificationUrl();
        return { testNotificationToken: notifications.sendTest() };
      },
    },
    {
      method: 'GET',
      path: /^\/inApps\/v1\/notifications\/test\/([^/]+)$/,
      handle: ({ id }) => testStatus(state, notifications, id),
    },
  ];
}

/** @throws {ApiError} when the id is malformed or unknown. */
function find(state: State, id: string): Transaction {
  if (!/^\d+$/.test(id)) throw apiErrors.invalidTransactionId();
  const transaction = state.transactions.get(id);
  if (!transaction) throw apiErrors.transactionNotFound();
  return transaction;
}

function subscriptionsOfSameAccount(state: State, { originalTransactionId }: Transaction): Subscription[] {
  const { account } = state.subscription(originalTransactionId);
  return [...state.subscriptions.values()].filter((one) => one.account === account);
}

/** https://developer.apple.com/documentation/appstoreserverapi/get-all-subscription-statuses */
function statuses(state: State, notifications: Notifications, transaction: Transaction, wanted: readonly string[]) {
  if (wanted.some((status) => !/^[1-5]$/.test(status))) throw apiErrors.invalidStatus();
  const groups = new Map<string, object[]>();
  for (const subscription of subscriptionsOfSameAccount(state, transaction)) {
    const status = state.status(subscription);
    if (wanted.length > 0 && !wanted.includes(String(status))) continue;
    const item = {
      status,
      originalTransactionId: subscription.originalTransactionId,
      signedTransactionInfo: notifications.signTransaction(state.latest(subscription)),
      signedRenewalInfo: notifications.signRenewalInfo(subscription),
    };
    groups.set(subscription.group, [...(groups.get(subscription.group) ?? []), item]);
  }
  return [...groups].map(([subscriptionGroupIdentifier, lastTransactions]) => ({
    subscriptionGroupIdentifier,
    lastTransactions,
  }));
}

const historyQuery = z.object({
  revision: z.string().optional(),
  sort: z.enum(['ASCENDING', 'DESCENDING']).default('ASCENDING'),
  startDate: z.coerce.number().default(0),
  endDate: z.coerce.number().default(Infinity),
  revoked: z.enum(['true', 'false']).optional(),
  inAppOwnershipType: z.enum(['PURCHASED', 'FAMILY_SHARED']).optional(),
});

/**
 * https://developer.apple.com/documentation/appstoreserverapi/get-transaction-history: oldest first by default. Every
 * response has a `revision` to continue from, including the last one.
 */
function history(state: State, notifications: Notifications, transaction: Transaction, query: URLSearchParams) {
  const parsed = historyQuery.safeParse(Object.fromEntries(query));
  if (!parsed.success) throw query.has('sort') ? apiErrors.invalidSort() : apiErrors.badRequest();
  const { revision, sort, startDate, endDate, revoked, inAppOwnershipType } = parsed.data;
  const [products, groups] = [query.getAll('productId'), query.getAll('subscriptionGroupIdentifier')];
  const matching = subscriptionsOfSameAccount(state, transaction)
    .flatMap((one) => one.transactions.map((id) => state.transactions.get(id)))
    .filter((one): one is Transaction => one !== undefined)
    .filter((one) => one.purchaseDate >= startDate && one.purchaseDate < endDate)
    .filter((one) => products.length === 0 || products.includes(one.productId))
    .filter((one) => groups.length === 0 || groups.includes(one.subscriptionGroupIdentifier ?? ''))
    .filter((one) => revoked === undefined || revoked === String(one.revocationDate !== undefined))
    .filter((one) => (inAppOwnershipType ?? one.inAppOwnershipType) === one.inAppOwnershipType)
    .toSorted((a, b) => (sort === 'ASCENDING' ? 1 : -1) * (a.purchaseDate - b.purchaseDate));
  const start = revision === undefined ? 0 : offsetIn(revision);
  const page = matching.slice(start, start + pageSize);
  return {
    revision: tokenFor(start + page.length),
    hasMore: start + page.length < matching.length,
    signedTransactions: page.map((one) => notifications.signTransaction(one)),
  };
}

const tokenFor = (offset: number) => Buffer.from(`revision:${offset}`).toString('base64url');

function offsetIn(revision: string): number {
  const offset = /^revision:(\d+)$/.exec(Buffer.from(revision, 'base64url').toString())?.[1];
  if (offset === undefined) throw apiErrors.invalidRevision();
  return Number(offset);
}
