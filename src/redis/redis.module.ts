import { Global, Module } from '@nestjs/common';
import { AnonymizerRedis } from './anonymizer-redis.js';
import { GatekeeperRedis } from './gatekeeper-redis.js';
import {
  AnonymizerAddressLimit,
  AnonymizerRateLimiter,
  GatekeeperAddressLimit,
  GatekeeperRateLimiter,
} from './side-rate-limiters.js';

const gatekeeperProviders = [GatekeeperRedis, GatekeeperRateLimiter, GatekeeperAddressLimit];
const anonymizerProviders = [AnonymizerRedis, AnonymizerRateLimiter, AnonymizerAddressLimit];

@Global()
@Module({ providers: gatekeeperProviders, exports: gatekeeperProviders })
export class GatekeeperRedisModule {}

@Global()
@Module({ providers: anonymizerProviders, exports: anonymizerProviders })
export class AnonymizerRedisModule {}
