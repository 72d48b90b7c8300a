import { Module } from '@nestjs/common';
import { ConnectionModule } from './connection/index.js';
import { NodesModule, PublicLocationsModule } from './nodes/index.js';
import { NetworkPrismaModule } from './prisma/network/index.js';
import { AnonymizerRateLimitModule } from './platform/rate-limit/index.js';
import { AnonymizerRedisModule } from './platform/redis/index.js';
import { VpnConfigModule } from './vpn-config/index.js';

/** The anonymizer side: tokens, keys and nodes, never users. */
@Module({
  imports: [
    NetworkPrismaModule,
    AnonymizerRedisModule,
    AnonymizerRateLimitModule,
    NodesModule,
    PublicLocationsModule,
    ConnectionModule,
    VpnConfigModule,
  ],
})
export class AnonymizerModule {}
