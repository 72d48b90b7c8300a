import { Injectable } from '@nestjs/common';
import { Background } from '../platform/background/index.js';
import { GatekeeperRedis } from '../platform/redis/index.js';
import { IdentityCacheService } from './identity-cache.service.js';

const channel = 'gk:forget';

/**
 * Invalidates a user's entry in the identity cache of every replica, after the user's account has changed: here at once, on
 * other replicas as soon as they receive the message from Redis. If Redis is down, their entries expire within a minute, or
 * within ten minutes if the identity provider is down too.
 */
@Injectable()
export class IdentityCacheInvalidationService {
  constructor(
    private readonly identityCache: IdentityCacheService,
    private readonly redis: GatekeeperRedis,
    background: Background,
  ) {
    background.add({ start: () => this.listen() });
  }

  async invalidate(firebaseUid: string): Promise<void> {
    this.identityCache.invalidate(firebaseUid);
    // In the operator's command no server has started, so the client is not connected yet.
    if (this.redis.client.status === 'wait') await this.redis.connect();
    await this.redis.client.publish(channel, firebaseUid).catch(() => undefined);
  }

  private listen(): void {
    const subscriber = this.redis.subscriber();
    subscriber.on('message', (_channel: string, firebaseUid: string) => this.identityCache.invalidate(firebaseUid));
    // The client restores the subscription when Redis comes back.
    subscriber.subscribe(channel).catch(() => undefined);
  }
}
