import { Global, Module } from '@nestjs/common';
import { AnonymizerRedis } from './anonymizer-redis.js';
import { GatekeeperRedis } from './gatekeeper-redis.js';

@Global()
@Module({ providers: [GatekeeperRedis], exports: [GatekeeperRedis] })
export class GatekeeperRedisModule {}

@Global()
@Module({ providers: [AnonymizerRedis], exports: [AnonymizerRedis] })
export class AnonymizerRedisModule {}
