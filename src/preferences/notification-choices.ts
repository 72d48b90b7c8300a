import { NotificationKind } from '../prisma/identity/index.js';

/**
 * What nobody needs in order to keep their account safe and their access paid: its mails can be turned off. The others say
 * what somebody, perhaps not the owner, did to the account or its money, and are always mailed.
 */
export const optionalKinds = ['welcome', 'trial_ending', 'renewed', 'maintenance'] as const;

export type OptionalKind = (typeof optionalKinds)[number];
/** Of an account that is gone there is no device to push to; a link that proves an address goes to that address. */
const onlyMailed = ['account_deleted', 'email_change_link'] as const;
export type PushedKind = Exclude<NotificationKind, (typeof onlyMailed)[number]>;

export const pushedKinds: readonly PushedKind[] = Object.values(NotificationKind).filter(
  (kind): kind is PushedKind => !onlyMailed.some((one) => one === kind),
);
