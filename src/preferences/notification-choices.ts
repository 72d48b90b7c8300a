import { NotificationKind } from '../prisma/identity/index.js';

/**
 * What nobody needs in order to keep their account safe and their access paid: its mails can be turned off. The others say
 * what somebody, perhaps not the owner, did to the account or its money, and are always mailed.
 */
export const optionalKinds = ['welcome', 'trial_ending', 'renewed', 'maintenance'] as const;

export type OptionalKind = (typeof optionalKinds)[number];
/** Of an account that is gone there is no device to push to. */
export type PushedKind = Exclude<NotificationKind, 'account_deleted'>;

export const pushedKinds: readonly PushedKind[] = Object.values(NotificationKind).filter(
  (kind): kind is PushedKind => kind !== 'account_deleted',
);
