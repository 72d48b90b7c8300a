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
export { jobsSchema } from '../jobs-schema.js';
export { IdentityPrisma, IdentityMaintenance } from './identity-prisma.js';
export { IdentityPrismaModule } from './identity-prisma.module.js';
