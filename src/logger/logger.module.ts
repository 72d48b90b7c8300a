import { type DynamicModule, Global, Module } from '@nestjs/common';
import { type AppConfig } from '../platform/config/index.js';
import { AnonymizerLogger, GatekeeperLogger, Loggers, ProcessLogger } from './loggers.js';

@Global()
@Module({})
export class LoggerModule {
  static with(config: AppConfig): DynamicModule {
    const loggers = [
      ProcessLogger,
      Loggers,
      ...(config.gatekeeper ? [GatekeeperLogger] : []),
      ...(config.anonymizer ? [AnonymizerLogger] : []),
    ];
    return { module: LoggerModule, providers: loggers, exports: loggers };
  }
}
