export { AnonymizerRateLimitModule, GatekeeperRateLimitModule } from './rate-limit.module.js';
export {
  AnonymizerAddressLimit,
  AnonymizerRateLimiter,
  GatekeeperAddressLimit,
  GatekeeperRateLimiter,
} from './side-rate-limiters.js';
