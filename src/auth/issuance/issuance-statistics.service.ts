import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/config/index.js';
import { type DailyIssuance } from '../../prisma/identity/index.js';
import { IssuanceStatisticsStore } from './issuance-statistics.store.js';

/** Another replica's clock may run behind and still count on rows that ours would close. */
const marginMs = 5 * 60_000;

/** Turns issuances into totals once their key has stopped signing. */
@Injectable()
export class IssuanceStatisticsService {
  constructor(
    private readonly store: IssuanceStatisticsStore,
    private readonly clock: Clock,
  ) {}

  async close(): Promise<void> {
    await this.store.closeKeys(new Date(this.clock.now().getTime() - marginMs));
  }

  /** Totals of closed epochs, newest first: per key and plan, "<20" for fewer than 20. */
  async daily(days: number): Promise<DailyIssuance[]> {
    return this.store.daily(new Date(this.clock.now().getTime() - days * 86_400_000));
  }
}
