import { Environment } from '@apple/app-store-server-library';
import { z } from 'zod';
import { notificationHistory, testStatus } from './notification-history.js';
import { type Notifications } from './notifications.js';
import { refusals } from './refusal.js';
import { type State, type Subscription, type Transaction } from './state.js';

interface Request {
  readonly query: URLSearchParams;
  readonly body: unknown;
  /** What stands where the path has a parameter. */
  readonly id: string;
}

export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  answer(request: Request): object;
}

/** Transactions come twenty at a time. */
const pageSize = 20;

/** The endpoints of the App Store Server API that a backend of subscriptions calls. */
export function routes(state: State, notifications: Notifications): readonly Route[] {
  const about = { bundleId: state.app.bundleId, environment: state.app.environment };
  const app = state.app.environment === Environment.PRODUCTION ? { ...about, appAppleId: state.app.appAppleId } : about;
  return [
    {
      method: 'GET',
      path: /^\/inApps\/v1\/subscriptions\/([^/]+)$/,
      answer: ({ id, query }) => ({
        ...app,
        data: statuses(state, notifications, find(state, id), query.getAll('status')),
      }),
    },
    {
      method: 'GET',
      path: /^\/inApps\/v1\/transactions\/([^/]+)$/,
      answer: ({ id }) => ({ signedTransactionInfo: notifications.signTransaction(find(state, id)) }),
    },
    {
      method: 'GET',
      path: /^\/inApps\/v2\/history\/([^/]+)$/,
      answer: ({ id, query }) => ({ ...app, ...history(state, notifications, find(state, id), query) }),
    },
    {
      method: 'POST',
      path: /^\/inApps\/v1\/notifications\/history$/,
      answer: ({ query, body }) => notificationHistory(state, notifications, query.get('paginationToken'), body),
    },
    {
      method: 'POST',
      path: /^\/inApps\/v1\/notifications\/test$/,
      answer: () => {
        if (notifications.url === undefined) throw refusals.noNotificationUrl();
        return { testNotificationToken: notifications.test() };
      },
    },
    {
      method: 'GET',
      path: /^\/inApps\/v1\/notifications\/test\/([^/]+)$/,
      answer: ({ id }) => testStatus(state, notifications, id),
    },
  ];
}

/** Any transaction of a person leads to all that is theirs. */
function find(state: State, id: string): Transaction {
  if (!/^\d+$/.test(id)) throw refusals.invalidTransactionId();
  const transaction = state.transactions.get(id);
  if (!transaction) throw refusals.transactionNotFound();
  return transaction;
}

function ofSamePerson(state: State, { originalTransactionId }: Transaction): Subscription[] {
  const { account } = state.subscription(originalTransactionId);
  return [...state.subscriptions.values()].filter((one) => one.account === account);
}

/** https://developer.apple.com/documentation/appstoreserverapi/get-all-subscription-statuses */
function statuses(state: State, notifications: Notifications, transaction: Transaction, wanted: readonly string[]) {
  if (wanted.some((status) => !/^[1-5]$/.test(status))) throw refusals.invalidStatus();
  const groups = new Map<string, object[]>();
  for (const subscription of ofSamePerson(state, transaction)) {
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
 * https://developer.apple.com/documentation/appstoreserverapi/get-transaction-history: oldest first unless it is asked
 * otherwise, and a `revision` in every answer, to go on from, even in the last one.
 */
function history(state: State, notifications: Notifications, transaction: Transaction, query: URLSearchParams) {
  const asked = historyQuery.safeParse(Object.fromEntries(query));
  if (!asked.success) throw query.has('sort') ? refusals.invalidSort() : refusals.badRequest();
  const { revision, sort, startDate, endDate, revoked, inAppOwnershipType } = asked.data;
  const [products, groups] = [query.getAll('productId'), query.getAll('subscriptionGroupIdentifier')];
  const fits = ofSamePerson(state, transaction)
    .flatMap((one) => one.transactions.map((id) => state.transactions.get(id)))
    .filter((one): one is Transaction => one !== undefined)
    .filter((one) => one.purchaseDate >= startDate && one.purchaseDate < endDate)
    .filter((one) => products.length === 0 || products.includes(one.productId))
    .filter((one) => groups.length === 0 || groups.includes(one.subscriptionGroupIdentifier ?? ''))
    .filter((one) => revoked === undefined || revoked === String(one.revocationDate !== undefined))
    .filter((one) => (inAppOwnershipType ?? one.inAppOwnershipType) === one.inAppOwnershipType)
    .toSorted((a, b) => (sort === 'ASCENDING' ? 1 : -1) * (a.purchaseDate - b.purchaseDate));
  const start = revision === undefined ? 0 : offsetIn(revision);
  const page = fits.slice(start, start + pageSize);
  return {
    revision: tokenFor(start + page.length),
    hasMore: start + page.length < fits.length,
    signedTransactions: page.map((one) => notifications.signTransaction(one)),
  };
}

const tokenFor = (offset: number) => Buffer.from(`revision:${offset}`).toString('base64url');

function offsetIn(revision: string): number {
  const offset = /^revision:(\d+)$/.exec(Buffer.from(revision, 'base64url').toString())?.[1];
  if (offset === undefined) throw refusals.invalidRevision();
  return Number(offset);
}
