import { Inject, Injectable, type LoggerService, Optional } from '@nestjs/common';
import {
  ANONYMIZER_CONFIG,
  type AnonymizerConfig,
  Clock,
  COMMON_CONFIG,
  type CommonConfig,
  GATEKEEPER_CONFIG,
  type GatekeeperConfig,
} from '../platform/config/index.js';
import { SideLogger } from './side-logger.js';

@Injectable()
export class GatekeeperLogger extends SideLogger {
  constructor(
    @Inject(COMMON_CONFIG) common: CommonConfig,
    @Inject(GATEKEEPER_CONFIG) side: GatekeeperConfig,
    clock: Clock,
  ) {
    super('gatekeeper', side.log, common, clock);
  }
}

@Injectable()
export class AnonymizerLogger extends SideLogger {
  constructor(
    @Inject(COMMON_CONFIG) common: CommonConfig,
    @Inject(ANONYMIZER_CONFIG) side: AnonymizerConfig,
    clock: Clock,
  ) {
    super('anonymizer', side.log, common, clock);
  }
}

/** The log of the process itself: start, ports, shutdown. */
@Injectable()
export class ProcessLogger extends SideLogger {
  constructor(@Inject(COMMON_CONFIG) common: CommonConfig, clock: Clock) {
    super('process', 'stdout', common, clock);
  }
}

/** Chooses the log of a side. */
@Injectable()
export class Loggers {
  constructor(
    private readonly process: ProcessLogger,
    @Optional() private readonly gatekeeper?: GatekeeperLogger,
    @Optional() private readonly anonymizer?: AnonymizerLogger,
  ) {}

  /** @throws {Error} for a side that this process does not serve */
  of(side: 'gatekeeper' | 'anonymizer' | 'process'): SideLogger {
    const logger = this[side];
    if (logger === undefined) throw new Error(`This process does not serve the ${side} side, so it has no log for it.`);
    return logger;
  }
}

/** Logs warnings and errors of the framework, without their messages: these can quote requests. */
export class FrameworkLogger implements LoggerService {
  constructor(private readonly logger: SideLogger) {}

  log(): void {}

  warn(_message: unknown, context?: string): void {
    this.logger.warn('framework_warning', { context: context ?? 'none' });
  }

  error(error: unknown, _stack?: string, context?: string): void {
    this.logger.error('framework_error', error, { context: context ?? 'none' });
  }
}
