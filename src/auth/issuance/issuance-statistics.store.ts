import { Injectable } from '@nestjs/common';
import { type DailyIssuance, IdentityPrisma } from '../../prisma/identity/index.js';

/** Totals of signed tokens. A total below 20 is never stored or shown, because it could identify a few users. */
@Injectable()
export class IssuanceStatisticsStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Deletes the issuances of all users under the keys that stopped signing before `stoppedBefore`, and stores the total per key
   * and plan. It is one statement, so a crash neither loses nor doubles a total. Issuances that arrive after their key was
   * closed are added to the total if both are numbers. A total may therefore be too small by less than 20, but never too large.
   */
  async closeKeys(stoppedBefore: Date): Promise<void> {
    await this.prisma.$executeRaw`
      WITH gone AS (
        DELETE FROM "TokenIssuance" t USING "IssuerKey" k
        WHERE k.key_id = t.key_id AND k.sign_until < ${stoppedBefore}
        RETURNING t.key_id, t.plan_id, cardinality(t.hashes) AS tokens,
          ((k.sign_until - interval '1 day') AT TIME ZONE 'UTC')::date AS epoch
      )
      INSERT INTO "DailyIssuance" AS d (key_id, plan_id, epoch, tokens)
      SELECT key_id, plan_id, epoch, CASE WHEN sum(tokens) < 20 THEN '<20' ELSE sum(tokens)::text END
      FROM gone GROUP BY key_id, plan_id, epoch
      ON CONFLICT (key_id, plan_id) DO UPDATE SET tokens = CASE
        WHEN excluded.tokens = '<20' THEN d.tokens
        WHEN d.tokens = '<20' THEN excluded.tokens
        ELSE (d.tokens::bigint + excluded.tokens::bigint)::text END`;
  }

  /** How many tokens a key has signed so far, for all plans together. */
  async signedBy(keyId: Buffer): Promise<number> {
    const [row] = await this.prisma.$queryRaw<[{ tokens: number }]>`
      SELECT coalesce(sum(cardinality(hashes)), 0)::float8 AS tokens FROM "TokenIssuance" WHERE key_id = ${keyId}`;
    return row.tokens;
  }

  /** Newest first. */
  async daily(since: Date): Promise<DailyIssuance[]> {
    return this.prisma.dailyIssuance.findMany({
      where: { epoch: { gte: since } },
      orderBy: [{ epoch: 'desc' }, { planId: 'asc' }],
    });
  }
}
