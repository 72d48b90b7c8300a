import { Module } from '@nestjs/common';
import { AuthModule, VpnTokenModule } from './auth/index.js';
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
    VpnTokenModule.with(SubscriptionModule),
  ],
})
export class GatekeeperModule {}
