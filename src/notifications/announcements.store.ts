import { Injectable } from '@nestjs/common';
import { areWoken, IdentityPrisma, Prisma, telling } from '../prisma/identity/index.js';

@Injectable()
export class AnnouncementsStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /** Tells everybody, in one statement. @param name of the announcement: whoever was told it is not told again @returns how many */
  async tellEverybody(name: string, facts: object, at: Date): Promise<number> {
    const [row] = await this.prisma.$queryRaw<[{ told: number }]>`
      WITH ${telling(Prisma.sql`
        SELECT id AS user_id, 'maintenance' AS kind, 'maintenance:' || ${name} || ':' || id AS cause,
          ${JSON.stringify(facts)}::jsonb AS facts, ${at}::timestamptz AS at FROM "User" ORDER BY id`)}
      SELECT (SELECT count(*) FROM told)::int AS told, ${areWoken}`;
    return row.told;
  }
}
