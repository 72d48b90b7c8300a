import { Injectable } from '@nestjs/common';
import { Background } from '../platform/background/index.js';
import { GatekeeperRedis } from '../platform/redis/index.js';
import { IdentityCacheService } from './identity-cache.service.js';

const channel = 'gk:forget';

/**
 * Lets every replica forget what the provider said of a person: their account has changed. Here at once; elsewhere as soon as
 * Redis has told them, and within a minute when it cannot; in ten when the provider cannot be asked either.
 */
@Injectable()
export class IdentityCacheInvalidationService {
  constructor(
    private readonly people: IdentityCacheService,
    private readonly redis: GatekeeperRedis,
    background: Background,
  ) {
    background.add({ start: () => this.listen() });
  }

  async forget(firebaseUid: string): Promise<void> {
    this.people.forget(firebaseUid);
    // The operator's command serves nobody, so that nothing has connected it.
    if (this.redis.client.status === 'wait') await this.redis.connect();
    await this.redis.client.publish(channel, firebaseUid).catch(() => undefined);
  }

  private listen(): void {
    const subscriber = this.redis.subscriber();
    subscriber.on('message', (_channel: string, firebaseUid: string) => this.people.forget(firebaseUid));
    // Restored by the client when Redis comes back.
    subscriber.subscribe(channel).catch(() => undefined);
  }
}
