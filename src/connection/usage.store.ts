import { Injectable } from '@nestjs/common';
import { type DailyUsage, NetworkPrisma } from '../prisma/network/index.js';

export interface Usage {
  readonly redemptions: number;
  readonly peak: number;
}

/** Usage of each location: exact totals for the open day; closed days show small counts as "<20". */
@Injectable()
export class UsageStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /** Adds to the totals of an open day. */
  async add(day: Date, usage: ReadonlyMap<string, Usage>): Promise<void> {
    if (usage.size === 0) return;
    const values = [...usage.values()];
    await this.prisma.$executeRaw`
      INSERT INTO "UsageTally" AS t (epoch, location_id, redemptions, peak)
      SELECT ${day}::date, location_id, redemptions, peak
      FROM unnest(${[...usage.keys()]}::text[], ${values.map(({ redemptions }) => redemptions)}::int[],
                  ${values.map(({ peak }) => peak)}::int[]) AS u(location_id, redemptions, peak)
      ON CONFLICT (epoch, location_id) DO UPDATE
        SET redemptions = t.redemptions + excluded.redemptions, peak = greatest(t.peak, excluded.peak)`;
  }

  /** Moves every day before `today` to the history, with small counts as "<20", and deletes the exact counts. */
  async closeDays(today: Date): Promise<number> {
    return this.prisma.$executeRaw`
      WITH closed AS (DELETE FROM "UsageTally" WHERE epoch < ${today}::date RETURNING *)
      INSERT INTO "DailyUsage" (epoch, location_id, redemptions, peak)
      SELECT epoch, location_id,
             CASE WHEN redemptions < 20 THEN '<20' ELSE redemptions::text END,
             CASE WHEN peak < 20 THEN '<20' ELSE peak::text END
      FROM closed ON CONFLICT DO NOTHING`;
  }

  async daily(since: Date): Promise<DailyUsage[]> {
    return this.prisma.dailyUsage.findMany({
      where: { epoch: { gte: since } },
      orderBy: [{ epoch: 'desc' }, { locationId: 'asc' }],
    });
  }
}
