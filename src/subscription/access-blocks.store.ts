import { Injectable } from '@nestjs/common';
import { IdentityPrisma } from '../prisma/identity/index.js';

export interface DisputeBlock {
  readonly userId: string;
  /** The dispute's unique reference, `stripe:du_…`. Each dispute has one row. */
  readonly providerRef: string;
  readonly blocks: boolean;
  /** The fencing token of the fetch that read the dispute. */
  readonly fetchVersion: bigint;
  readonly today: Date;
}

@Injectable()
export class AccessBlocksStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Sets or lifts a block, unless a later fetch or an operator has already decided. A dispute that never blocked gets a row
   * too: without its `fetch_version`, an older fetch could still add a block.
   *
   * @returns whether that changed anything
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
