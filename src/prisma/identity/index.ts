export {
  Prisma,
  type AccessBlock,
  type DailyIssuance,
  type IssuerKey,
  type Plan,
  type Subscription,
  type TokenIssuance,
  type TrialGrant,
  type User,
  BlockReason,
  SubscriptionProvider,
  SubscriptionStatus,
} from '../generated/identity/client.js';
export { IdentityPrisma, IdentityUpkeep } from './identity-prisma.js';
export { IdentityPrismaModule } from './identity-prisma.module.js';
