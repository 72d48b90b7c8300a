import { Module } from '@nestjs/common';
import { IdentityPrismaModule } from './prisma/identity/index.js';
import { GatekeeperRedisModule } from './redis/index.js';

/** The church: people and money, never traffic. */
@Module({ imports: [IdentityPrismaModule, GatekeeperRedisModule] })
export class GatekeeperModule {}
