import { Module } from '@nestjs/common';
import { NodesModule } from './nodes/index.js';
import { NetworkPrismaModule } from './prisma/network/index.js';
import { AnonymizerRedisModule } from './redis/index.js';

/** The state: tokens, keys and nodes, never people. */
@Module({ imports: [NetworkPrismaModule, AnonymizerRedisModule, NodesModule] })
export class AnonymizerModule {}
