import { Injectable } from '@nestjs/common';
import { AnonymizerLogger } from '../logger/index.js';
import { NodeDirectoryService } from '../nodes/index.js';
import { Background, Repeater } from '../platform/background/index.js';
import { Clock } from '../platform/config/index.js';
import { type DailyUsage } from '../prisma/network/index.js';
import { dayOf } from './connection-times.js';
import { type Usage, UsageStore } from './usage.store.js';

const flushMs = 60_000;
/** A day closes this late, so that every replica's last minute is in it. */
const closeDelayMs = 10 * 60_000;

/**
 * Counts redemptions and connections by location and day. Counted in memory and written in steps of a minute, so that no
 * row's time tells of one redemption; a process that is killed takes its last minute's counts with it.
 */
@Injectable()
export class UsageStatisticsService {
  /** By day, in milliseconds, and location: what happens before midnight counts to the day before, whenever it is written. */
  private counted = new Map<number, Map<string, Usage>>();

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

  redeemed(locationId: string): void {
    this.count(this.today(), locationId, { redemptions: 1, peak: 0 });
  }

  /** @param counts live connections by node */
  seen(counts: ReadonlyMap<string, number>): void {
    const live = new Map<string, number>();
    for (const [nodeId, count] of counts) {
      const location = this.directory.endpoint(nodeId)?.locationId;
      if (location !== undefined) live.set(location, (live.get(location) ?? 0) + count);
    }
    for (const [location, peak] of live) this.count(this.today(), location, { redemptions: 0, peak });
  }

  /** Writes what was counted since the last time; what cannot be written is kept for the next, as long as its day is open. */
  async flush(): Promise<void> {
    const counted = this.counted;
    this.counted = new Map();
    try {
      for (const [day, usage] of counted) {
        await this.store.add(new Date(day), usage);
        counted.delete(day);
      }
    } finally {
      for (const [day, usage] of counted) for (const [location, more] of usage) this.count(day, location, more);
    }
  }

  async close(): Promise<void> {
    await this.store.close(dayOf(new Date(this.clock.now().getTime() - closeDelayMs)));
  }

  /** Totals of closed days, newest first; "<20" for fewer than 20. */
  async daily(days: number): Promise<DailyUsage[]> {
    return this.store.daily(dayOf(new Date(this.clock.now().getTime() - days * 86_400_000)));
  }

  private today(): number {
    return dayOf(this.clock.now()).getTime();
  }

  private count(day: number, location: string, { redemptions, peak }: Usage): void {
    const usage = this.counted.get(day) ?? new Map<string, Usage>();
    const before = usage.get(location) ?? { redemptions: 0, peak: 0 };
    usage.set(location, { redemptions: before.redemptions + redemptions, peak: Math.max(before.peak, peak) });
    this.counted.set(day, usage);
  }
}
