import { Injectable } from '@nestjs/common';
import { enqueueNotifications, jobsAdded } from '../notifications/outbox/index.js';
import { type Act, recordAct } from '../platform/audit/index.js';
import { type AuditEvent, IdentityPrisma, Prisma, type PushDevice, type User } from '../prisma/identity/index.js';

/** Per day, because each request sends a mail to an address that may belong to a stranger. */
const maxEmailChanges = 5;

@Injectable()
export class AccountStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  async find(id: string): Promise<(User & { devices: PushDevice[] }) | undefined> {
    const include = { devices: { orderBy: { registeredOn: 'desc' } } } as const;
    return (await this.prisma.user.findUnique({ where: { id }, include })) ?? undefined;
  }

  /**
   * Records the request for a new address and enqueues its notifications: a verification link to the new address, and a warning
   * to the current address (if it is verified) and to the devices. The deliveries store their addresses, because the user's own
   * may have changed by the time they are sent. The requests of a day are numbered. When requests race for the same number, only
   * one gets it.
   *
   * @returns false if the day has no number left, another request took the same number at the same moment, or the account is
   * being deleted
   */
  async requestEmailChange(act: Act, newEmail: string): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<unknown[]>`
      WITH account AS (
        SELECT id, CASE WHEN email_verified THEN email END AS old_address,
          id || ':' || to_char(${act.at}::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS of_the_day,
          (SELECT count(*) FROM "Notification" n WHERE n.user_id = u.id AND n.kind = 'email_change_link'
            AND n.caused_at >= date_trunc('day', ${act.at}::timestamptz, 'UTC')) AS used
        FROM "User" u WHERE id = ${act.userId}::uuid AND NOT EXISTS (SELECT FROM "AccountDeletion" WHERE user_id = u.id)
      ), wanted AS (
        SELECT id AS user_id, kind, kind || ':' || of_the_day || ':' || used AS cause, old_address
        FROM account, unnest(ARRAY['email_change_asked', 'email_change_link']) kind WHERE used < ${maxEmailChanges}
      ), ${enqueueNotifications(
        Prisma.sql`
          SELECT user_id, kind, cause, '{}'::jsonb AS payload, ${act.at}::timestamptz AS at FROM wanted ORDER BY kind`,
        {
          emails: Prisma.sql`
            SELECT cause, ${newEmail}::text AS address FROM wanted WHERE kind = 'email_change_link' UNION ALL
            SELECT cause, old_address FROM wanted WHERE kind = 'email_change_asked' AND old_address IS NOT NULL`,
          devices: Prisma.sql`
            SELECT cause, d.id AS device_id, NULL AS token FROM wanted JOIN "PushDevice" d USING (user_id)
            WHERE kind = 'email_change_asked'`,
        },
      )}, noted AS (${recordAct(act)} FROM enqueued WHERE kind = 'email_change_link')
      SELECT ${jobsAdded} FROM enqueued`;
    return rows.length > 0;
  }

  /** The acts on an account, newest first. @param before id of the last row of the previous page */
  async acts(userId: string, before: bigint | undefined, limit: number): Promise<AuditEvent[]> {
    const where = { userId, ...(before !== undefined && { id: { lt: before } }) };
    return this.prisma.auditEvent.findMany({ where, orderBy: { id: 'desc' }, take: limit });
  }
}
