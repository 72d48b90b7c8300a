import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/config/index.js';
import { TimedNotificationsStore } from './timed-notifications.store.js';

/** Tells what no event causes but the clock. However often it looks, each is told once: its cause has one name. */
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
