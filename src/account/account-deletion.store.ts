import { Injectable } from '@nestjs/common';
import { enqueueNotifications, jobsAdded } from '../notifications/outbox/index.js';
import { type Act, recordAct } from '../platform/audit/index.js';
import { addJob, IdentityJobs, userJobs } from '../platform/jobs/index.js';
import { IdentityPrisma, Prisma } from '../prisma/identity/index.js';

export const deletionTask = 'delete-account';

const deletionJob = (userId: string) => ({ task: deletionTask, payload: { userId }, key: `${deletionTask}:${userId}` });

@Injectable()
export class AccountDeletionStore {
  constructor(
    private readonly prisma: IdentityPrisma,
    private readonly jobs: IdentityJobs,
  ) {}

  /** Marks an account as being deleted, records the act, and adds the job: all or nothing. Safe to repeat. */
  async begin(act: Act): Promise<void> {
    await this.prisma.$queryRaw`
      WITH begun AS (
        INSERT INTO "AccountDeletion" (user_id, firebase_uid, begun_at)
        SELECT id, firebase_uid, ${act.at} FROM "User" WHERE id = ${act.userId}::uuid
        ON CONFLICT DO NOTHING RETURNING user_id
      ), noted AS (${recordAct(act)} FROM begun)
      SELECT ${addJob(deletionJob(act.userId))} AS job FROM begun`;
  }

  /** @returns the account that is being deleted; undefined if its deletion never began or is complete */
  async findPending(userId: string): Promise<{ firebaseUid: string } | undefined> {
    const row = await this.prisma.accountDeletion.findFirst({ where: { userId, erasedAt: null } });
    return row === null ? undefined : { firebaseUid: row.firebaseUid };
  }

  /**
   * Erases the user and all rows that refer to the user. Rows that stay for bookkeeping or for operators no longer name the
   * user. Does nothing if the user got another customer at Stripe after `closedCustomer` was closed. The e-mail address is
   * erased too, except in one last delivery, which keeps it until it is sent. That mail names the providers that still charge,
   * because this is the last statement that knows them.
   *
   * @returns whether the user is erased
   */
  async erase(userId: string, closedCustomer: string | null, at: Date): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<unknown[]>`
      WITH erased AS (
        DELETE FROM "User" WHERE id = ${userId}::uuid AND stripe_customer_id IS NOT DISTINCT FROM ${closedCustomer}
        RETURNING id, CASE WHEN email_verified THEN email END AS address
      ), last_mail AS (
        SELECT 'account_deleted:' || id AS cause, address, jsonb_build_object('stillBilledBy', ARRAY(
            SELECT DISTINCT provider::text FROM "Subscription" s WHERE s.user_id = erased.id AND provider = 'apple'
              AND status NOT IN ('EXPIRED', 'REVOKED') AND NOT cancel_at_period_end)) AS payload
        FROM erased WHERE address IS NOT NULL
      ), ${enqueueNotifications(
        Prisma.sql`
          SELECT NULL::uuid AS user_id, 'account_deleted' AS kind, cause, payload, ${at}::timestamptz AS at FROM last_mail`,
        { emails: Prisma.sql`SELECT cause, address FROM last_mail` },
      )}
      UPDATE "AccountDeletion" SET erased_at = ${at} FROM erased, (SELECT ${jobsAdded}) added
      WHERE user_id = erased.id RETURNING jobs`;
    return rows.length > 0;
  }

  /** Adds a job for each pending deletion that has none. @returns how many */
  async requeueMissingJobs(begunBefore: Date): Promise<number> {
    return this.jobs.requeueMissing(
      userJobs(
        deletionTask,
        Prisma.sql`SELECT user_id FROM "AccountDeletion" WHERE erased_at IS NULL AND begun_at < ${begunBefore}`,
      ),
    );
  }

  async purge(erasedBefore: Date): Promise<void> {
    await this.prisma.$executeRaw`DELETE FROM "AccountDeletion" WHERE erased_at < ${erasedBefore}`;
  }
}
