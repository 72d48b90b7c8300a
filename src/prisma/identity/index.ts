export {
  Prisma,
  type AccessBlock,
  type AccountDeletion,
  type AuditEvent,
  type CheckoutLease,
  type DailyIssuance,
  type IssuerKey,
  type PaymentHistory,
  type Plan,
  type PlanPrice,
  type PushDevice,
  type Subscription,
  type TokenIssuance,
  type TrialGrant,
  type User,
  type UserPreferences,
  type WebhookEvent,
  BlockReason,
  DeliveryChannel,
  DeliveryState,
  DnsBlocking,
  NotificationKind,
  PaymentKind,
  PaymentProvider,
  PriceInterval,
  SubscriptionEventKind,
  SubscriptionProvider,
  SubscriptionStatus,
  WebhookState,
} from '../generated/identity/client.js';
export { type Act, type ActOnAll, recordAct, self } from './audit.js';
export { addJob, IdentityJobs, jobForEach, jobs, personOf } from './identity-jobs.js';
export { IdentityPrisma, IdentityUpkeep } from './identity-prisma.js';
export { IdentityPrismaModule } from './identity-prisma.module.js';
export { areWoken, type Channel, deliveryJob, deliveryTasks, iso, telling, wakingUp } from './telling.js';
