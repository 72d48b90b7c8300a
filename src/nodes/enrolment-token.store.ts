import { Injectable } from '@nestjs/common';
import { NetworkPrisma } from '../prisma/network/index.js';
import { type Hash } from './secret.js';

export interface EnrolmentTokenRow {
  readonly hash: Uint8Array;
  readonly locationId: string;
  readonly usesLeft: number;
  readonly expiresAt: Date;
}

@Injectable()
export class EnrolmentTokenStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  async list(): Promise<EnrolmentTokenRow[]> {
    return this.prisma.enrolmentToken.findMany({ orderBy: [{ locationId: 'asc' }, { expiresAt: 'asc' }] });
  }

  /** False when no location has this id. */
  async add(hash: Hash, locationId: string, uses: number, expiresAt: Date): Promise<boolean> {
    const added = await this.prisma.$executeRaw`
      INSERT INTO "EnrolmentToken" (hash, location_id, uses_left, expires_at)
      SELECT ${hash}, id, ${uses}, ${expiresAt} FROM "Location" WHERE id = ${locationId}`;
    return added === 1;
  }

  /** @param prefix the first bytes of the token's hash */
  async remove(prefix: Hash): Promise<boolean> {
    const removed = await this.prisma.$executeRaw`
      DELETE FROM "EnrolmentToken" WHERE substring(hash FOR ${prefix.length}::int) = ${prefix}`;
    return removed > 0;
  }
}
