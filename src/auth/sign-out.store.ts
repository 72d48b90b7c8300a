import { Injectable } from '@nestjs/common';
import { deleteDevicesOf } from '../notifications/devices/index.js';
import { enqueueNotifications, jobsAdded } from '../notifications/outbox/index.js';
import { type Act, recordAct, self } from '../platform/audit/index.js';
import { addJob } from '../platform/jobs/index.js';
import { IdentityPrisma, Prisma } from '../prisma/identity/index.js';
import { type UserRow } from './users.store.js';

export const signOutTask = 'sign-out';

/** Delayed, because the request itself calls the provider first. The job is for a request that failed or was killed. */
const job = (userId: string) => {
  return { task: signOutTask, payload: { userId }, key: `${signOutTask}:${userId}`, delaySeconds: 15 };
};

@Injectable()
export class SignOutStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Refuses all sign-ins so far, removes the push devices, records the act, notifies the user (with one last push to each of
   * those devices) and adds the job that calls the provider: all or nothing.
   *
   * @returns whether the user exists
   */
  async begin(act: Act): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<unknown[]>`
      WITH signed_out AS (
        UPDATE "User" SET signed_out_at = date_trunc('second', ${act.at}::timestamptz) WHERE id = ${act.userId}::uuid RETURNING id
      ), noted AS (${recordAct(act)} FROM signed_out RETURNING id, user_id
      ), gone AS (${deleteDevicesOf(Prisma.sql`SELECT id FROM signed_out`)}
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

  /** @returns undefined if the user does not exist or never signed out everywhere */
  async find(userId: string): Promise<{ firebaseUid: string; signedOutAt: Date } | undefined> {
    const row = await this.prisma.user.findUnique({ where: { id: userId } });
    const signedOutAt: UserRow['signedOutAt'] = row?.signedOutAt ?? null;
    return row === null || signedOutAt === null ? undefined : { firebaseUid: row.firebaseUid, signedOutAt };
  }
}
