import { Injectable } from '@nestjs/common';
import { type ActOnAll, recordAct } from '../platform/audit/index.js';
import { IdentityPrisma, Prisma } from '../prisma/identity/index.js';
import { enqueueNotifications, jobsAdded } from './outbox/index.js';

@Injectable()
export class AnnouncementsStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Tells everybody and writes down who had it done, in one statement.
   *
   * @param name of the announcement: whoever was told it is not told again
   * @returns how many were told
   */
  async enqueueForAllUsers(name: string, payload: object, act: ActOnAll): Promise<number> {
    const [row] = await this.prisma.$queryRaw<[{ enqueued: number }]>`
      WITH noted AS (${recordAct(act)}), ${enqueueNotifications(Prisma.sql`
        SELECT id AS user_id, 'maintenance' AS kind, 'maintenance:' || ${name} || ':' || id AS cause,
          ${JSON.stringify(payload)}::jsonb AS payload, ${act.at}::timestamptz AS at FROM "User" ORDER BY id`)}
      SELECT (SELECT count(*) FROM enqueued)::int AS enqueued, ${jobsAdded}`;
    return row.enqueued;
  }
}
