import { Module } from '@nestjs/common';
import { VerifierModule } from './crypto/verifier/index.js';
import { NodesModule } from './nodes/index.js';
import { NetworkPrismaModule } from './prisma/network/index.js';
import { AnonymizerRedisModule } from './redis/index.js';

/** The state: tokens, keys and nodes, never people. */
@Module({ imports: [NetworkPrismaModule, AnonymizerRedisModule, VerifierModule, NodesModule] })
export class AnonymizerModule {}
