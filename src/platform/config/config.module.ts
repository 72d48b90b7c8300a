import { type DynamicModule, Global, Module } from '@nestjs/common';
import { Clock, SystemClock } from './clock.js';
import { type AppConfig } from './load-config.js';

export const COMMON_CONFIG = Symbol('COMMON_CONFIG');
export const GATEKEEPER_CONFIG = Symbol('GATEKEEPER_CONFIG');
export const ANONYMIZER_CONFIG = Symbol('ANONYMIZER_CONFIG');

/** Provides each side with its own settings. A side that this process does not serve has none to inject. */
@Global()
@Module({})
export class ConfigModule {
  static with(config: AppConfig, clock: Clock = new SystemClock()): DynamicModule {
    const slices = [
      { provide: COMMON_CONFIG, useValue: config.common },
      ...(config.gatekeeper ? [{ provide: GATEKEEPER_CONFIG, useValue: config.gatekeeper }] : []),
      ...(config.anonymizer ? [{ provide: ANONYMIZER_CONFIG, useValue: config.anonymizer }] : []),
      { provide: Clock, useValue: clock },
    ];
    return { module: ConfigModule, providers: slices, exports: slices.map((slice) => slice.provide) };
  }
}
