import { type DynamicModule, Module } from '@nestjs/common';
import { AccountModule } from './account/index.js';
import { AuthModule } from './auth/index.js';
import { IssuanceModule } from './auth/issuance/index.js';
import { MailPreviewModule, NotificationsModule } from './notifications/index.js';
import { PaymentModule } from './payment/index.js';
import { type CommonConfig } from './platform/config/index.js';
import { IdentityJobsModule } from './platform/jobs/index.js';
import { GatekeeperRateLimitModule } from './platform/rate-limit/index.js';
import { GatekeeperRedisModule } from './platform/redis/index.js';
import { PreferencesModule } from './preferences/index.js';
import { IdentityPrismaModule } from './prisma/identity/index.js';
import { SubscriptionModule } from './subscription/index.js';

/** The gatekeeper side: users and payments, never traffic. */
@Module({
  imports: [
    IdentityPrismaModule,
    GatekeeperRedisModule,
    GatekeeperRateLimitModule,
    IdentityJobsModule,
    AuthModule,
    SubscriptionModule,
    PaymentModule,
    IssuanceModule,
    PreferencesModule,
    AccountModule,
    NotificationsModule,
  ],
})
export class GatekeeperModule {
  static with({ env }: CommonConfig): DynamicModule {
    return { module: GatekeeperModule, imports: env === 'development' ? [MailPreviewModule] : [] };
  }
}
