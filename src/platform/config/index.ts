export { Clock, SystemClock } from './clock.js';
export { serviceKeys } from './config.schema.js';
export { ANONYMIZER_CONFIG, COMMON_CONFIG, ConfigModule, GATEKEEPER_CONFIG } from './config.module.js';
export {
  type AnonymizerConfig,
  type AppConfig,
  type CommonConfig,
  ConfigError,
  type GatekeeperConfig,
  loadConfig,
} from './load-config.js';
