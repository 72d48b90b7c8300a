import { Injectable } from '@nestjs/common';
import { IdentityPrisma } from '../prisma/identity/index.js';

/** A trial that a provider gives, and the hashes under which it is recorded. */
export interface ProviderTrial {
  /** None of these may have had another trial; 32 bytes each. */
  readonly hashes: readonly Buffer[];
  /** Identifies the trial; 32 bytes. */
  readonly claimedBy: Buffer;
  readonly grantedOn: Date;
}

@Injectable()
export class TrialsStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  async anyUsed(hashes: readonly Buffer[]): Promise<boolean> {
    const [row] = await this.prisma.$queryRaw<[{ had: boolean }]>`
      SELECT EXISTS (SELECT FROM "TrialGrant" WHERE hash = ANY (${hashes}::bytea[])) AS had`;
    return row.had;
  }

  /**
   * Records a trial under those of its hashes that no other trial has. The primary key decides when two trials race: the
   * second finds the `claimed_by` of the first. The hashes are inserted in order, so one trial gets all hashes that both share.
   * The other hashes stay recorded even if the trial is refused: a user whose card had a trial is not offered another.
   *
   * @returns whether the trial has all its hashes; a repeated call for the same trial returns the same
   */
  async claim({ hashes, claimedBy, grantedOn }: ProviderTrial): Promise<boolean> {
    await this.prisma.$executeRaw`
      INSERT INTO "TrialGrant" (hash, granted_on, claimed_by)
      SELECT hash, ${grantedOn}::timestamptz::date, ${claimedBy} FROM unnest(${hashes}::bytea[]) hash ORDER BY hash
      ON CONFLICT (hash) DO NOTHING`;
    const [row] = await this.prisma.$queryRaw<[{ claimed: number }]>`
      SELECT count(*)::int AS claimed FROM "TrialGrant" WHERE hash = ANY (${hashes}::bytea[]) AND claimed_by = ${claimedBy}`;
    return row.claimed === hashes.length;
  }
}
