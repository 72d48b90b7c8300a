import { Injectable } from '@nestjs/common';
import { isUniqueViolation } from '../platform/errors/index.js';
import { type BlockReason, IdentityPrisma, type SubscriptionProvider } from '../prisma/identity/index.js';
import { type Source, type SubscriptionState } from './subscription-state.js';

export interface Trial {
  readonly userId: string;
  readonly planId: string;
  /** None of these may have had a trial before; 32 bytes each. */
  readonly hashes: readonly Buffer[];
  readonly grantedOn: Date;
  readonly paidThrough: Date;
}

interface SourceRow {
  readonly blocks: BlockReason[];
  readonly id: string;
  /** This field and all that follow are null if the user has no subscription. */
  readonly provider: SubscriptionProvider | null;
  readonly status: SubscriptionState;
  readonly paid_through: Date;
  readonly grace_until: Date | null;
  readonly cancel_at_period_end: boolean;
  readonly plan_id: string;
  readonly plan_name: string;
  readonly daily_tokens: number;
}

@Injectable()
export class SubscriptionStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /** All that a user's access is computed from, in one statement, so as of one moment. */
  async find(userId: string): Promise<{ sources: Source[]; blocks: BlockReason[] }> {
    const rows = await this.prisma.$queryRaw<SourceRow[]>`
      SELECT ARRAY(SELECT b.reason::text FROM "AccessBlock" b WHERE b.user_id = who.id AND b.lifted_on IS NULL) AS blocks,
        s.id, s.provider::text, s.status::text, s.paid_through, s.grace_until, s.cancel_at_period_end,
        p.id AS plan_id, p.name AS plan_name, p.daily_tokens
      FROM (VALUES (${userId}::uuid)) who (id)
      LEFT JOIN "Subscription" s ON s.user_id = who.id
      LEFT JOIN "Plan" p ON p.id = s.plan_id
      ORDER BY s.paid_through DESC, s.id`;
    return { sources: rows.flatMap(toSource), blocks: rows[0]?.blocks ?? [] };
  }

  /** One of the user's own subscriptions; undefined for another user's. */
  async own(userId: string, id: string): Promise<{ provider: SubscriptionProvider; providerRef: string } | undefined> {
    const where = { id, userId };
    return (
      (await this.prisma.subscription.findFirst({ where, select: { provider: true, providerRef: true } })) ?? undefined
    );
  }

  /**
   * Grants a trial unless one of the hashes had one. The primary key of `"TrialGrant"` decides: when two requests race, on any
   * replicas, the second waits for the first, and its whole statement then fails. The hashes are inserted in order, so that
   * two requests cannot deadlock.
   *
   * @returns whether it was granted
   */
  async grantTrial({ userId, planId, hashes, grantedOn, paidThrough }: Trial): Promise<boolean> {
    try {
      await this.prisma.$executeRaw`
        WITH granted AS (
          INSERT INTO "TrialGrant" (hash, granted_on)
          SELECT hash, ${grantedOn}::timestamptz::date FROM unnest(${hashes}::bytea[]) hash ORDER BY hash
        ), started AS (
          INSERT INTO "Subscription" (user_id, provider, provider_ref, plan_id, status, paid_through)
          VALUES (${userId}::uuid, 'trial', 'trial:' || ${userId}, ${planId}, 'TRIAL', ${paidThrough}) RETURNING *
        )
        INSERT INTO "SubscriptionEvent" (user_id, provider, kind, plan_id, until, at)
        SELECT user_id, provider, 'started', plan_id, paid_through, ${grantedOn} FROM started`;
      return true;
    } catch (error) {
      if (isUniqueViolation(error)) return false;
      throw error;
    }
  }
}

function toSource(row: SourceRow): Source[] {
  if (row.provider === null) return [];
  return [
    {
      id: row.id,
      provider: row.provider,
      status: row.status,
      plan: { id: row.plan_id, name: row.plan_name, dailyTokens: row.daily_tokens },
      paidThrough: row.paid_through,
      graceUntil: row.grace_until,
      cancelAtPeriodEnd: row.cancel_at_period_end,
    },
  ];
}
