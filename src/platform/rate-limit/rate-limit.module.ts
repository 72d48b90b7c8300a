import { Global, Module } from '@nestjs/common';
import {
  AnonymizerAddressLimit,
  AnonymizerRateLimiter,
  GatekeeperAddressLimit,
  GatekeeperRateLimiter,
} from './side-rate-limiters.js';

const gatekeeper = [GatekeeperRateLimiter, GatekeeperAddressLimit];
const anonymizer = [AnonymizerRateLimiter, AnonymizerAddressLimit];

@Global()
@Module({ providers: gatekeeper, exports: gatekeeper })
export class GatekeeperRateLimitModule {}

@Global()
@Module({ providers: anonymizer, exports: anonymizer })
export class AnonymizerRateLimitModule {}
