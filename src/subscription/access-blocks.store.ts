import { Injectable } from '@nestjs/common';
import { IdentityPrisma } from '../prisma/identity/index.js';

export interface DisputeBlock {
  readonly userId: string;
  /** Our name for the dispute, one block each. */
  readonly providerRef: string;
  readonly blocks: boolean;
  /** Taken before the provider was asked. */
  readonly fetchVersion: bigint;
  readonly today: Date;
}

@Injectable()
export class AccessBlocksStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Blocks or lifts, unless a look-up that began later has decided, or an operator has. A dispute that never blocked gets a
   * row too: without one, an older look-up would find nothing that holds its block off.
   *
   * @returns whether that is new
   */
  async recordDispute({ userId, providerRef, blocks, fetchVersion, today }: DisputeBlock): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<{ changed: boolean }[]>`
      WITH before AS (SELECT lifted_on IS NULL AS blocks FROM "AccessBlock" WHERE provider_ref = ${providerRef})
      INSERT INTO "AccessBlock" AS b (user_id, reason, provider_ref, lifted_on, fetch_version)
      VALUES (${userId}::uuid, 'dispute', ${providerRef}, CASE WHEN ${blocks} THEN NULL ELSE ${today}::timestamptz::date END, ${fetchVersion})
      ON CONFLICT (provider_ref) DO UPDATE SET fetch_version = excluded.fetch_version,
        lifted_on = CASE WHEN ${blocks} THEN NULL ELSE coalesce(b.lifted_on, excluded.lifted_on) END
      WHERE b.fetch_version < excluded.fetch_version
      RETURNING coalesce((SELECT blocks FROM before), false) <> ${blocks} AS changed`;
    return rows[0]?.changed ?? false;
  }
}
