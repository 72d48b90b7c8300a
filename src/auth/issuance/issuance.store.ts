import { Injectable } from '@nestjs/common';
import { IdentityPrisma } from '../../prisma/identity/index.js';

/** One request for signatures: the user, the key and the blinded messages. */
export interface Issuance {
  readonly userId: string;
  readonly keyId: Buffer;
  /** The user's plan, for the daily totals. */
  readonly planId: string;
  /** SHA-256 of each blinded message. */
  readonly hashes: readonly Buffer[];
}

/** The quota of each user: which blinded messages were signed under each key. */
@Injectable()
export class IssuanceStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Counts the messages against the quota, all or none. Messages that were counted before are free. This one statement
   * decides: the row lock makes racing requests wait, and each then counts on top of what the other wrote. A separate count
   * before the INSERT would let races exceed the quota. Messages that were already counted stay free after the quota
   * became smaller, as long as the request itself has no more messages than the quota.
   *
   * @returns whether the messages fit into the quota
   */
  async countAgainstQuota({ userId, keyId, planId, hashes }: Issuance, quota: number): Promise<boolean> {
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
