export { AnonymizerRedis } from './anonymizer-redis.js';
export { GatekeeperRedis } from './gatekeeper-redis.js';
export { AnonymizerRedisModule, GatekeeperRedisModule } from './redis.module.js';
