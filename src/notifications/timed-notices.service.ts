import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/config/index.js';
import { TimedNoticesStore } from './timed-notices.store.js';

/** Tells what no event causes but the clock. However often it looks, each is told once: its cause has one name. */
@Injectable()
export class TimedNoticesService {
  constructor(
    private readonly store: TimedNoticesStore,
    private readonly clock: Clock,
  ) {}

  async tell(): Promise<void> {
    const now = this.clock.now();
    await this.store.tellEndingTrials(now);
    await this.store.tellEndingGrace(now);
    await this.store.tellExpired(now);
  }
}
