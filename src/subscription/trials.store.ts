import { Injectable } from '@nestjs/common';
import { IdentityPrisma } from '../prisma/identity/index.js';

/** A trial that a provider gives, and what it is remembered by. */
export interface ProviderTrial {
  /** What must not have had another trial; 32 bytes each. */
  readonly hashes: readonly Buffer[];
  /** Which trial it is; 32 bytes. */
  readonly claimedBy: Buffer;
  readonly grantedOn: Date;
}

@Injectable()
export class TrialsStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  async anyHad(hashes: readonly Buffer[]): Promise<boolean> {
    const [row] = await this.prisma.$queryRaw<[{ had: boolean }]>`
      SELECT EXISTS (SELECT FROM "TrialGrant" WHERE hash = ANY (${hashes}::bytea[])) AS had`;
    return row.had;
  }

  /**
   * Remembers a trial by all of its hashes that no other trial has. The primary key decides between racing trials (in the
   * order of the hashes, so that one of them gets all that they share): whoever comes second finds the other's name there.
   * What was new stays remembered, so that a trial which is refused for its card is not offered to the person again.
   *
   * @returns whether the trial is the first of all its hashes; the same trial may ask again
   */
  async claim({ hashes, claimedBy, grantedOn }: ProviderTrial): Promise<boolean> {
    await this.prisma.$executeRaw`
      INSERT INTO "TrialGrant" (hash, granted_on, claimed_by)
      SELECT hash, ${grantedOn}::timestamptz::date, ${claimedBy} FROM unnest(${hashes}::bytea[]) hash ORDER BY hash
      ON CONFLICT (hash) DO NOTHING`;
    const [row] = await this.prisma.$queryRaw<[{ held: number }]>`
      SELECT count(*)::int AS held FROM "TrialGrant" WHERE hash = ANY (${hashes}::bytea[]) AND claimed_by = ${claimedBy}`;
    return row.held === hashes.length;
  }
}
