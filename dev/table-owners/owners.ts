import { type Exception, type TableRules } from './check.js';

/**
 * The owner of each table: the only module that writes it, so that its rules apply to every row. Other modules call the owner's
 * service, or use SQL that it exports in their own statements.
 *
 * A module is a folder of `src/`; in folders that serve both sides, it is a folder inside them.
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

/** Tables that only one folder of their owner inserts into, because other rows must be inserted with them. */
const insertedOnlyIn = {
  Notification: 'src/notifications/outbox/',
  NotificationDelivery: 'src/notifications/outbox/',
};

/** Allowed writes by modules that do not own the table, each with its reason. An unneeded exception fails the check. */
const exceptions: readonly Exception[] = [
  {
    table: 'User',
    module: 'payment',
    write: 'update',
    reason:
      "Stores a user's customer id at Stripe. It is in the user's row so that the statement that erases the account sees whether it has changed. auth has no rule about it.",
  },
  {
    table: 'User',
    module: 'account',
    write: 'delete',
    reason:
      'One statement erases an account: it deletes the row only if its Stripe customer is the one that was closed, and it also enqueues the last mail and records that the account is erased.',
  },
];

/** graphile-worker's schema, and the modules that may use it. */
const jobLibrary = {
  names: /\bidentity_jobs\b|\b_private_\w+|\bjobsSchema\b/,
  modules: ['platform/jobs', 'prisma', 'prisma/identity', 'prisma/migrate'],
  instead: 'Use addJob, jobForEach, requeueMissing or capBackoff of src/platform/jobs, or add a function there.',
};

export const tableRules: TableRules = { owners, insertedOnlyIn, exceptions, jobLibrary };
