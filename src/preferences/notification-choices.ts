import { NotificationKind } from '../prisma/identity/index.js';

/**
 * Kinds whose mails can be turned off. All other kinds are always mailed, because they concern the safety of the account or its
 * payments, and may be the user's only sign that a stranger changed something.
 */
export const optionalKinds = ['welcome', 'trial_ending', 'renewed', 'maintenance'] as const;

export type OptionalKind = (typeof optionalKinds)[number];
/** A deleted account has no device to push to, and a link that verifies an address goes to that address alone. */
const mailOnlyKinds = ['account_deleted', 'email_change_link'] as const;
export type PushedKind = Exclude<NotificationKind, (typeof mailOnlyKinds)[number]>;

export const pushedKinds: readonly PushedKind[] = Object.values(NotificationKind).filter(
  (kind): kind is PushedKind => !mailOnlyKinds.some((one) => one === kind),
);
