import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/config/index.js';
import { TimedNotificationsStore } from './timed-notifications.store.js';

/**
 * Enqueues the notifications that depend on the time alone. Each is enqueued only once, however often this runs, because its
 * cause has a unique name.
 */
@Injectable()
export class TimedNotificationsService {
  constructor(
    private readonly store: TimedNotificationsStore,
    private readonly clock: Clock,
  ) {}

  async enqueueDue(): Promise<void> {
    const now = this.clock.now();
    await this.store.enqueueEndingTrials(now);
    await this.store.enqueueEndingGrace(now);
    await this.store.enqueueExpired(now);
  }
}
