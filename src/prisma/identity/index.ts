export {
  Prisma,
  type AuditEvent,
  type DailyIssuance,
  type IssuerKey,
  type PaymentHistory,
  type PlanPrice,
  type PushDevice,
  type User,
  type UserPreferences,
  BlockReason,
  DnsBlocking,
  NotificationKind,
  PaymentKind,
  PaymentProvider,
  PriceInterval,
  SubscriptionEventKind,
  SubscriptionProvider,
  WebhookState,
} from '../generated/identity/client.js';
export { type Act, type ActOnAll, recordAct, self } from './audit.js';
export { addJob, IdentityJobs, jobForEach, jobs, personOf } from './identity-jobs.js';
export { IdentityPrisma, IdentityUpkeep } from './identity-prisma.js';
export { IdentityPrismaModule } from './identity-prisma.module.js';
export { areWoken, type Channel, deliveryTasks, iso, telling, wakingUp } from './telling.js';
