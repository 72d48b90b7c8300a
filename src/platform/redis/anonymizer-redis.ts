import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Background } from '../background/index.js';
import { ANONYMIZER_CONFIG, type AnonymizerConfig } from '../config/index.js';
import { Readiness } from '../health/index.js';
import { RedisConnection } from './redis-connection.js';

/** The anonymizer's Redis: keys `an:*`, `spent:*` and the channels `peers:*`. */
@Injectable()
export class AnonymizerRedis extends RedisConnection implements OnApplicationShutdown {
  constructor(@Inject(ANONYMIZER_CONFIG) config: AnonymizerConfig, background: Background, readiness: Readiness) {
    super('network-redis', config.redisUrl);
    background.add({ start: () => this.connect() });
    readiness.add({ name: 'network-redis', needed: false, check: () => this.check() });
  }

  onApplicationShutdown(): void {
    this.close();
  }
}
