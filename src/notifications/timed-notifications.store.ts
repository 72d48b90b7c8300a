import { Injectable } from '@nestjs/common';
import { IdentityPrisma, Prisma } from '../prisma/identity/index.js';
import { hasLongerAccess, recordExpired } from '../subscription/index.js';
import { enqueueNotifications, iso, jobsAdded } from './outbox/index.js';

/** Access that ended longer ago is not reported: it was reported before, or it is too late. */
const maxAge = Prisma.sql`interval '3 days'`;
const end = Prisma.raw('s.paid_through');

@Injectable()
export class TimedNotificationsStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Notifies users whose trial ends within three days, and again within one day. Skips users who already have access beyond
   * the trial. The end is part of the cause, so an extended trial is announced again.
   */
  async enqueueEndingTrials(now: Date): Promise<void> {
    await this.enqueue(Prisma.sql`
      SELECT s.user_id, 'trial_ending' AS kind, 'trial_ending:' || s.id || ':' || ${iso('s.paid_through')} || ':' ||
          CASE WHEN s.paid_through <= ${now}::timestamptz + interval '1 day' THEN '1' ELSE '3' END AS cause,
        jsonb_build_object('until', ${iso('s.paid_through')}, 'renews', s.provider <> 'trial' AND NOT s.cancel_at_period_end)
          AS payload, ${now}::timestamptz AS at
      FROM "Subscription" s
      WHERE s.status = 'TRIAL' AND s.paid_through > ${now} AND s.paid_through <= ${now}::timestamptz + interval '3 days'
        AND NOT ${hasLongerAccess('s', end)}`);
  }

  /** Notifies users whose grace period ends within a day. */
  async enqueueEndingGrace(now: Date): Promise<void> {
    await this.enqueue(Prisma.sql`
      SELECT s.user_id, 'grace_ending' AS kind, 'grace_ending:' || s.id || ':' || ${iso('s.grace_until')} AS cause,
        jsonb_build_object('plan', p.name, 'provider', s.provider, 'until', ${iso('s.grace_until')}) AS payload,
        ${now}::timestamptz AS at
      FROM "Subscription" s JOIN "Plan" p ON p.id = s.plan_id
      WHERE s.status = 'GRACE' AND s.grace_until > ${now} AND s.grace_until <= ${now}::timestamptz + interval '1 day'`);
  }

  /**
   * Records each trial and each granted access that has ended, because no provider sends an event for these. Notifies the user
   * unless they have access that lasts longer. Only one replica may run this at a time: nothing but the recorded row shows that
   * an end was already recorded.
   */
  async enqueueExpired(now: Date): Promise<void> {
    await this.prisma.$queryRaw`
      WITH ended AS (
        SELECT s.* FROM "Subscription" s
        WHERE s.provider IN ('trial', 'operator') AND s.status IN ('TRIAL', 'ACTIVE')
          AND s.paid_through <= ${now} AND s.paid_through > ${now}::timestamptz - ${maxAge}
      ),
      written AS (${recordExpired(Prisma.sql`SELECT * FROM ended`)}),
      ${enqueueNotifications(Prisma.sql`
        SELECT s.user_id, 'expired' AS kind, 'expired:' || s.id || ':' || ${iso('s.paid_through')} AS cause,
          jsonb_build_object('plan', p.name, 'trial', s.status = 'TRIAL') AS payload, s.paid_through AS at
        FROM ended s JOIN "Plan" p ON p.id = s.plan_id WHERE NOT ${hasLongerAccess('s', end)}`)}
      SELECT ${jobsAdded}`;
  }

  private async enqueue(causes: Prisma.Sql): Promise<void> {
    await this.prisma.$queryRaw`WITH ${enqueueNotifications(causes)} SELECT ${jobsAdded}`;
  }
}
