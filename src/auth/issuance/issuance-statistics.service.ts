import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/config/index.js';
import { type DailyIssuance } from '../../prisma/identity/index.js';
import { IssuanceStatisticsStore } from './issuance-statistics.store.js';

/** The clock of another replica may be behind, so that it still counts on rows that this one would close. */
const marginMs = 5 * 60_000;

/** Replaces the issuances of each user by totals once their key has stopped signing. */
@Injectable()
export class IssuanceStatisticsService {
  constructor(
    private readonly store: IssuanceStatisticsStore,
    private readonly clock: Clock,
  ) {}

  async close(): Promise<void> {
    await this.store.closeKeys(new Date(this.clock.now().getTime() - marginMs));
  }

  /** Totals of closed epochs per key and plan, newest first; "<20" for fewer than 20. */
  async daily(days: number): Promise<DailyIssuance[]> {
    return this.store.daily(new Date(this.clock.now().getTime() - days * 86_400_000));
  }
}
