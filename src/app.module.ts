import { type DynamicModule, Module } from '@nestjs/common';
import { AnonymizerModule } from './anonymizer.module.js';
import { type AppConfig, type Clock, ConfigModule } from './platform/config/index.js';
import { GatekeeperModule } from './gatekeeper.module.js';
import { HealthModule } from './platform/health/index.js';
import { HttpModule } from './platform/http/index.js';
import { LoggerModule } from './logger/index.js';

/** Imports the sides that this process serves. The only file that names both sides. */
@Module({})
export class AppModule {
  static with(config: AppConfig, clock?: Clock): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.with(config, clock),
        LoggerModule.with(config),
        HealthModule,
        HttpModule,
        ...(config.gatekeeper ? [GatekeeperModule.with(config.common)] : []),
        ...(config.anonymizer ? [AnonymizerModule] : []),
      ],
    };
  }
}
