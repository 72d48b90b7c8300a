import { Injectable } from '@nestjs/common';
import { type ActOnAll, recordAct } from '../platform/audit/index.js';
import { IdentityPrisma, Prisma } from '../prisma/identity/index.js';
import { enqueueNotifications, jobsAdded } from './outbox/index.js';

@Injectable()
export class AnnouncementsStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Enqueues a notification for every user and records the act, in one statement.
   *
   * @param name of the announcement; each user gets an announcement of one name only once
   * @returns how many notifications were enqueued
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
