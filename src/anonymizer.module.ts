import { Module } from '@nestjs/common';
import { NetworkPrismaModule } from './prisma/network/index.js';
import { AnonymizerRedisModule } from './redis/index.js';

/** The state: tokens, keys and nodes, never people. */
@Module({ imports: [NetworkPrismaModule, AnonymizerRedisModule] })
export class AnonymizerModule {}
