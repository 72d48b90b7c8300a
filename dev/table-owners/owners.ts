import { type Exception, type TableRules } from './check.js';

/**
 * Which module writes a table: its owner, whose rules hold for every row because no other code writes one. Others call the
 * owner's service, or put SQL that it exports into a statement of their own.
 *
 * A module is a folder of `src/`; in the folders that serve both sides, a folder of theirs.
 */
const owners = {
  identity: {
    AccessBlock: 'subscription',
    AccountDeletion: 'account',
    AuditEvent: 'platform/audit',
    CheckoutLease: 'payment',
    DailyIssuance: 'auth',
    DeliveryPause: 'notifications',
    IssuerKey: 'crypto/issuer',
    Notification: 'notifications',
    NotificationDelivery: 'notifications',
    PaymentHistory: 'payment',
    Plan: 'subscription',
    PlanPrice: 'payment',
    PushDevice: 'notifications',
    Subscription: 'subscription',
    SubscriptionEvent: 'subscription',
    TokenIssuance: 'auth',
    TrialGrant: 'subscription',
    MaintenanceRun: 'prisma/identity',
    User: 'auth',
    UserPreferences: 'preferences',
    WebhookEvent: 'payment',
  },
  network: {
    Connection: 'connection',
    DailyUsage: 'connection',
    EnrolmentToken: 'nodes',
    Location: 'nodes',
    Node: 'nodes',
    MaintenanceRun: 'prisma/network',
    UsageTally: 'connection',
    VerifierKey: 'crypto/verifier',
  },
} as const;

/** Tables that one folder of their owner inserts into, by what else comes with a row. */
const insertedOnlyIn = {
  Notification: 'src/notifications/outbox/',
  NotificationDelivery: 'src/notifications/outbox/',
};

/** Writes by a module that is not the owner, each for a reason. One that is not needed any more fails the check. */
const exceptions: readonly Exception[] = [
  {
    table: 'User',
    module: 'payment',
    write: 'update',
    reason:
      "Ties a user to their customer at Stripe: a fact of payment's, kept in the user's row so that the statement that erases the account sees whether it has changed. auth has no rule about it.",
  },
  {
    table: 'User',
    module: 'account',
    write: 'delete',
    reason:
      'Erasing an account is one statement: the row goes only if its customer at Stripe is the one that was closed, and with it come the last mail and the mark that the account is gone.',
  },
];

/** graphile-worker's schema: who may name it, or anything in it. */
const jobLibrary = {
  names: /\bidentity_jobs\b|\b_private_\w+|\bjobsSchema\b/,
  modules: ['platform/jobs', 'prisma', 'prisma/identity', 'prisma/migrate'],
  instead: 'Use addJob, jobForEach, requeueMissing or capBackoff of src/platform/jobs, or add to them what you need.',
};

export const tableRules: TableRules = { owners, insertedOnlyIn, exceptions, jobLibrary };
