import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Background } from '../background/index.js';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../config/index.js';
import { Readiness } from '../health/index.js';
import { RedisConnection } from './redis-connection.js';

/** The gatekeeper's Redis: keys `gk:*`. */
@Injectable()
export class GatekeeperRedis extends RedisConnection implements OnApplicationShutdown {
  constructor(@Inject(GATEKEEPER_CONFIG) config: GatekeeperConfig, background: Background, readiness: Readiness) {
    super('identity-redis', config.redisUrl);
    background.add({ start: () => this.connect() });
    readiness.add({ name: 'identity-redis', needed: false, check: () => this.check() });
  }

  onApplicationShutdown(): void {
    this.close();
  }
}
