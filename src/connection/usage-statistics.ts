import { Injectable } from '@nestjs/common';
import { Clock } from '../config/index.js';
import { Background } from '../health/index.js';
import { AnonymizerLogger } from '../logger/index.js';
import { NodeDirectory } from '../nodes/index.js';
import { type DailyUsage, NetworkUpkeep } from '../prisma/network/index.js';
import { dayOf } from './connection-times.js';
import { type Usage, UsageStore } from './usage.store.js';

const flushMs = 60_000;
const closeSeconds = 600;
/** A day closes this late, so that every replica's last minute is in it. */
const closeDelayMs = 10 * 60_000;

/**
 * Counts redemptions and connections by location and day. Counted in memory and written in steps of a minute, so that no
 * row's time tells of one redemption; a process that is killed takes its last minute's counts with it.
 */
@Injectable()
export class UsageStatistics {
  private redemptions = new Map<string, number>();
  private peaks = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: UsageStore,
    private readonly directory: NodeDirectory,
    private readonly clock: Clock,
    private readonly logger: AnonymizerLogger,
    background: Background,
    upkeep: NetworkUpkeep,
  ) {
    upkeep.every('close-usage', closeSeconds, () => this.close());
    background.add({ start: () => this.start(), stop: () => this.stop() });
  }

  redeemed(locationId: string): void {
    this.redemptions.set(locationId, (this.redemptions.get(locationId) ?? 0) + 1);
  }

  /** @param counts live connections by node */
  seen(counts: ReadonlyMap<string, number>): void {
    const now = new Map<string, number>();
    for (const [nodeId, count] of counts) {
      const location = this.directory.endpoint(nodeId)?.locationId;
      if (location !== undefined) now.set(location, (now.get(location) ?? 0) + count);
    }
    for (const [location, count] of now) this.peaks.set(location, Math.max(count, this.peaks.get(location) ?? 0));
  }

  /** Writes what was counted since the last time; what cannot be written is kept for the next. */
  async flush(): Promise<void> {
    const [redemptions, peaks] = [this.redemptions, this.peaks];
    [this.redemptions, this.peaks] = [new Map<string, number>(), new Map<string, number>()];
    const locations = new Set([...redemptions.keys(), ...peaks.keys()]);
    const usage = new Map<string, Usage>(
      [...locations].map((id) => [id, { redemptions: redemptions.get(id) ?? 0, peak: peaks.get(id) ?? 0 }]),
    );
    try {
      await this.store.add(dayOf(this.clock.now()), usage);
    } catch (error) {
      for (const [id, count] of redemptions) this.redemptions.set(id, count + (this.redemptions.get(id) ?? 0));
      for (const [id, count] of peaks) this.peaks.set(id, Math.max(count, this.peaks.get(id) ?? 0));
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.store.close(dayOf(new Date(this.clock.now().getTime() - closeDelayMs)));
  }

  /** Totals of closed days, newest first; "<20" for fewer than 20. */
  async daily(days: number): Promise<DailyUsage[]> {
    return this.store.daily(dayOf(new Date(this.clock.now().getTime() - days * 86_400_000)));
  }

  private start(): void {
    this.timer = setInterval(() => void this.tryToFlush(), flushMs);
  }

  private async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.tryToFlush();
  }

  private async tryToFlush(): Promise<void> {
    await this.flush().catch((error: unknown) => this.logger.error('usage_not_written', error));
  }
}
