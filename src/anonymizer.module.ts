import { Module } from '@nestjs/common';
import { ConnectionModule } from './connection/index.js';
import { NodesModule, PublicLocationsModule } from './nodes/index.js';
import { NetworkPrismaModule } from './prisma/network/index.js';
import { AnonymizerRedisModule } from './redis/index.js';
import { VpnConfigModule } from './vpn-config/index.js';

/** The state: tokens, keys and nodes, never people. */
@Module({
  imports: [
    NetworkPrismaModule,
    AnonymizerRedisModule,
    NodesModule,
    PublicLocationsModule,
    ConnectionModule,
    VpnConfigModule,
  ],
})
export class AnonymizerModule {}
