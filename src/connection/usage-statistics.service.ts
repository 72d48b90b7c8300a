import { Injectable } from '@nestjs/common';
import { AnonymizerLogger } from '../logger/index.js';
import { NodeDirectoryService } from '../nodes/index.js';
import { Background, Repeater } from '../platform/background/index.js';
import { Clock } from '../platform/config/index.js';
import { type DailyUsage } from '../prisma/network/index.js';
import { dayOf } from './connection-times.js';
import { type Usage, UsageStore } from './usage.store.js';

const flushMs = 60_000;
/** A day is closed this late, so that it includes the last minute of every replica. */
const closeDelayMs = 10 * 60_000;

/**
 * Counts redemptions and connections by location and day. Counts are collected in memory and written once a minute, so that
 * the time of a write does not reveal a single redemption. A process that is killed loses up to a minute of counts.
 */
@Injectable()
export class UsageStatisticsService {
  /** By day (milliseconds) and location: a redemption before midnight counts for that day, even when it is written later. */
  private unwritten = new Map<number, Map<string, Usage>>();

  constructor(
    private readonly store: UsageStore,
    private readonly directory: NodeDirectoryService,
    private readonly clock: Clock,
    logger: AnonymizerLogger,
    background: Background,
  ) {
    const onFailure = (error: unknown) => logger.error('usage_not_written', error);
    const repeater = new Repeater({ waitMs: flushMs, run: () => this.flush(), onFailure });
    background.add({
      start: () => repeater.start(),
      stop: async () => {
        await repeater.stop();
        await this.flush().catch(onFailure);
      },
    });
  }

  recordRedemption(locationId: string): void {
    this.count(this.today(), locationId, { redemptions: 1, peak: 0 });
  }

  /** @param counts live connections by node */
  recordLive(counts: ReadonlyMap<string, number>): void {
    const live = new Map<string, number>();
    for (const [nodeId, count] of counts) {
      const location = this.directory.endpoint(nodeId)?.locationId;
      if (location !== undefined) live.set(location, (live.get(location) ?? 0) + count);
    }
    for (const [location, peak] of live) this.count(this.today(), location, { redemptions: 0, peak });
  }

  /** Writes the counts since the last flush. Counts that cannot be written are kept for the next one. */
  async flush(): Promise<void> {
    const counted = this.unwritten;
    this.unwritten = new Map();
    try {
      for (const [day, usage] of counted) {
        await this.store.add(new Date(day), usage);
        counted.delete(day);
      }
    } finally {
      for (const [day, usage] of counted) for (const [location, more] of usage) this.count(day, location, more);
    }
  }

  /** Closes all days before today; see `UsageStore.closeDays`. */
  async closeDays(): Promise<void> {
    await this.store.closeDays(dayOf(new Date(this.clock.now().getTime() - closeDelayMs)));
  }

  /** Totals of closed days, newest first; "<20" for fewer than 20. */
  async daily(days: number): Promise<DailyUsage[]> {
    return this.store.daily(dayOf(new Date(this.clock.now().getTime() - days * 86_400_000)));
  }

  private today(): number {
    return dayOf(this.clock.now()).getTime();
  }

  private count(day: number, location: string, { redemptions, peak }: Usage): void {
    const usage = this.unwritten.get(day) ?? new Map<string, Usage>();
    const before = usage.get(location) ?? { redemptions: 0, peak: 0 };
    usage.set(location, { redemptions: before.redemptions + redemptions, peak: Math.max(before.peak, peak) });
    this.unwritten.set(day, usage);
  }
}
