import { Injectable } from '@nestjs/common';
import { forgetDevicesOf } from '../notifications/devices/index.js';
import { enqueueNotifications, jobsAdded } from '../notifications/outbox/index.js';
import { type Act, recordAct, self } from '../platform/audit/index.js';
import { addJob } from '../platform/jobs/index.js';
import { IdentityPrisma, Prisma } from '../prisma/identity/index.js';
import { type UserRow } from './users.store.js';

export const signOutTask = 'sign-out';

/** The request itself asks the provider first: this is for what a kill has left. */
const job = (userId: string) => {
  return { task: signOutTask, payload: { userId }, key: `${signOutTask}:${userId}`, delaySeconds: 15 };
};

@Injectable()
export class SignOutStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Shuts out every sign-in so far, forgets the devices that pushes went to, writes it down, tells the person (each of those
   * devices for the last time), and adds the job that tells the provider: all or nothing.
   *
   * @returns whether there is such a person
   */
  async begin(act: Act): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<unknown[]>`
      WITH signed_out AS (
        UPDATE "User" SET signed_out_at = date_trunc('second', ${act.at}::timestamptz) WHERE id = ${act.userId}::uuid RETURNING id
      ), noted AS (${recordAct(act)} FROM signed_out RETURNING id, user_id
      ), gone AS (${forgetDevicesOf(Prisma.sql`SELECT id FROM signed_out`)}
      ), caused AS (SELECT user_id, 'signed_out_everywhere:' || id AS cause FROM noted
      ), ${enqueueNotifications(
        Prisma.sql`
          SELECT user_id, 'signed_out_everywhere' AS kind, cause,
            jsonb_build_object('byOperator', ${act.actor !== self}::boolean) AS payload, ${act.at}::timestamptz AS at FROM caused`,
        { devices: Prisma.sql`SELECT cause, NULL::uuid AS device_id, token FROM gone JOIN caused USING (user_id)` },
      )}
      SELECT ${addJob(job(act.userId))} AS job, ${jobsAdded} FROM signed_out`;
    return rows.length > 0;
  }

  /** Undefined for whoever is gone, or never signed out everywhere. */
  async find(userId: string): Promise<{ firebaseUid: string; signedOutAt: Date } | undefined> {
    const row = await this.prisma.user.findUnique({ where: { id: userId } });
    const signedOutAt: UserRow['signedOutAt'] = row?.signedOutAt ?? null;
    return row === null || signedOutAt === null ? undefined : { firebaseUid: row.firebaseUid, signedOutAt };
  }
}
