export { AnonymizerRedis } from './anonymizer-redis.js';
export { GatekeeperRedis } from './gatekeeper-redis.js';
export { AnonymizerRedisModule, GatekeeperRedisModule } from './redis.module.js';
export {
  AnonymizerAddressLimit,
  AnonymizerRateLimiter,
  GatekeeperAddressLimit,
  GatekeeperRateLimiter,
} from './side-rate-limiters.js';
