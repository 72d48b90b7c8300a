export { LoggerModule } from './logger.module.js';
export { AnonymizerLogger, FrameworkLogger, GatekeeperLogger, Loggers, ProcessLogger } from './loggers.js';
export { type LogFields, SideLogger } from './side-logger.js';
