import { NotificationTypeV2 } from '@apple/app-store-server-library';
import { z } from 'zod';
import { type Notifications } from './notifications.js';
import { apiErrors } from './api-error.js';
import { type Notification, type State } from './state.js';

const pageSize = 20;
/** "The start date must be within the past 180 days." */
const maxAgeMs = 180 * 86_400_000;

const request = z.object({
  startDate: z.number(),
  endDate: z.number(),
  notificationType: z.string().optional(),
  notificationSubtype: z.string().optional(),
  transactionId: z.string().optional(),
  onlyFailures: z.boolean().default(false),
});

/** https://developer.apple.com/documentation/appstoreserverapi/get-notification-history */
export function notificationHistory(
  state: State,
  notifications: Notifications,
  paginationToken: string | null,
  body: unknown,
): object {
  const read = request.safeParse(body);
  if (!read.success) throw apiErrors.badRequest();
  const { startDate, endDate, notificationType, notificationSubtype, transactionId, onlyFailures } = read.data;
  if (startDate < state.now() - maxAgeMs) throw apiErrors.startTooFarInPast();
  if (startDate > endDate) throw apiErrors.startAfterEnd();
  if (notificationType !== undefined && transactionId !== undefined) throw apiErrors.severalFilters();
  const matching = state.notifications.filter(
    (one) =>
      one.signedDate >= startDate &&
      one.signedDate <= endDate &&
      (notificationType === undefined || String(notificationType) === String(one.type)) &&
      (notificationSubtype ?? one.subtype) === one.subtype &&
      (transactionId === undefined || isAbout(state, one, transactionId)) &&
      (!onlyFailures || !one.accepted),
  );
  const start = paginationToken === null ? 0 : offsetIn(paginationToken);
  const page = matching.slice(start, start + pageSize);
  const hasMore = start + page.length < matching.length;
  return {
    notificationHistory: page.map((one) => toHistoryItem(notifications, one)),
    hasMore,
    ...(hasMore && { paginationToken: Buffer.from(`page:${start + page.length}`).toString('base64url') }),
  };
}

/** https://developer.apple.com/documentation/appstoreserverapi/get-test-notification-status */
export function testStatus(state: State, notifications: Notifications, token: string): object {
  const test = state.notifications.find((one) => one.id === token && one.type === NotificationTypeV2.TEST);
  if (!test || test.attempts.length === 0) throw apiErrors.testNotFound();
  return toHistoryItem(notifications, test);
}

const toHistoryItem = (notifications: Notifications, one: Notification) => ({
  signedPayload: notifications.signedPayload(one),
  sendAttempts: one.attempts,
});

/** @param transactionId of any transaction of the subscription. */
function isAbout(state: State, { transaction }: Notification, transactionId: string): boolean {
  const original = state.transactions.get(transactionId)?.originalTransactionId;
  return transaction !== undefined && transaction.originalTransactionId === original;
}

function offsetIn(token: string): number {
  const offset = /^page:(\d+)$/.exec(Buffer.from(token, 'base64url').toString())?.[1];
  if (offset === undefined) throw apiErrors.invalidPaginationToken();
  return Number(offset);
}
