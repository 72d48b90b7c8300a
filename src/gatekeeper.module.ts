import { Module } from '@nestjs/common';
import { AuthModule, VpnTokenModule } from './auth/index.js';
import { PaymentModule } from './payment/index.js';
import { PreferencesModule } from './preferences/index.js';
import { IdentityPrismaModule } from './prisma/identity/index.js';
import { GatekeeperRedisModule } from './redis/index.js';
import { SubscriptionModule } from './subscription/index.js';

/** The church: people and money, never traffic. */
@Module({
  imports: [
    IdentityPrismaModule,
    GatekeeperRedisModule,
    AuthModule,
    SubscriptionModule,
    PaymentModule,
    PreferencesModule,
    VpnTokenModule.with(SubscriptionModule),
  ],
})
export class GatekeeperModule {}
