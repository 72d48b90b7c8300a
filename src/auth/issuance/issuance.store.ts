import { Injectable } from '@nestjs/common';
import { IdentityPrisma } from '../../prisma/identity/index.js';

/** One request for signatures: whose, under which key, of which blinded messages. */
export interface Issuance {
  readonly userId: string;
  readonly keyId: Buffer;
  /** The plan that pays for it, for the daily totals. */
  readonly planId: string;
  /** SHA-256 of each blinded message. */
  readonly hashes: readonly Buffer[];
}

/** The quota: which blinded messages each person had signed under each key. */
@Injectable()
export class IssuanceStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Counts the messages against the quota, all or none; those counted before cost nothing. This statement is the decision:
   * the row's lock makes racing requests wait for each other, and each then counts on top of what the other has written.
   * A count taken beside the INSERT lets races through. What is already counted stays signed for when the plan shrinks.
   *
   * @returns whether they fit
   */
  async count({ userId, keyId, planId, hashes }: Issuance, quota: number): Promise<boolean> {
    const counted = await this.prisma.$queryRaw<unknown[]>`
      INSERT INTO "TokenIssuance" AS t (user_id, key_id, plan_id, hashes)
      SELECT ${userId}::uuid, ${keyId}, ${planId}, hs
      FROM (SELECT array_agg(DISTINCT x) hs FROM unnest(${hashes}::bytea[]) x) d WHERE cardinality(hs) <= ${quota}
      ON CONFLICT (user_id, key_id) DO UPDATE SET hashes = ARRAY(SELECT DISTINCT unnest(t.hashes || excluded.hashes))
      WHERE cardinality(ARRAY(SELECT DISTINCT unnest(t.hashes || excluded.hashes)))
        <= greatest(${quota}, cardinality(t.hashes)) RETURNING 1`;
    return counted.length > 0;
  }

  async countedSoFar(userId: string, keyId: Buffer): Promise<number> {
    const [row] = await this.prisma.$queryRaw<{ counted: number }[]>`
      SELECT cardinality(hashes) AS counted FROM "TokenIssuance"
      WHERE user_id = ${userId}::uuid AND key_id = ${keyId}`;
    return row?.counted ?? 0;
  }
}
