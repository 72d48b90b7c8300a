import { addJob } from '../../platform/jobs/index.js';
import { Prisma } from '../../prisma/identity/index.js';

/**
 * A transactional outbox: each cause enqueues one notification, exactly once, even if a process is killed on the way.
 *
 *  1. The statement that makes a change also inserts the notification: both are committed, or neither is.
 *  2. The name of the cause is unique. A second notification for the same cause is not inserted.
 *  3. The same statement inserts the deliveries, by default one e-mail and one push to each device, and adds the jobs that
 *     send them.
 *
 * No other code inserts notifications or deliveries. Preferences and texts are applied when a delivery is sent: see
 * `src/notifications/`.
 */

/** The task that sends pending deliveries, by channel. */
export const deliveryTasks = { email: 'deliver-email', push: 'deliver-push' } as const;

export type Channel = keyof typeof deliveryTasks;

/** A queue for each channel, so that its jobs run one at a time on any number of workers: the oldest delivery goes first. */
const deliveryJob = (channel: Channel) => {
  const task = deliveryTasks[channel];
  return { task, payload: {}, key: task, queue: task };
};

/** Recipients other than the default: the user's own address and devices at the time of sending. */
export interface Recipients {
  /**
   * A query of `cause` and `address` text: one e-mail to each, and to no other address. The delivery keeps the address until
   * it is sent, so such a notification needs no user.
   */
  readonly emails?: Prisma.Sql;
  /**
   * A query of `cause`, `device_id` uuid and `token` text: one push to each, and to no other device. `device_id` for devices
   * that stay, `token` for devices that this statement deletes; the other one is null.
   */
  readonly devices?: Prisma.Sql;
}

/**
 * The last part of a `WITH`: enqueues a notification for each row of `causes`. The statement must select `jobsAdded`, or
 * PostgreSQL does not add the jobs. It may read `enqueued`: the new notifications, with their `id`, `user_id`, `kind`, `cause`
 * and `caused_at`.
 *
 * @param causes a query of `user_id` uuid, `kind` text, `cause` text (a unique name), `payload` jsonb and `at` timestamptz. Rows
 * without a user are skipped unless `emails` names their recipients; so are rows of accounts that are being deleted
 */
export function enqueueNotifications(causes: Prisma.Sql, { emails, devices }: Recipients = {}): Prisma.Sql {
  const hasUser = emails === undefined ? Prisma.sql`user_id IS NOT NULL AND` : Prisma.empty;
  return Prisma.sql`
    causes AS (${causes}),
    enqueued AS (
      INSERT INTO "Notification" (user_id, kind, cause, payload, caused_at)
      SELECT user_id, kind::"NotificationKind", cause, payload, date_trunc('second', at) FROM causes
      WHERE ${hasUser} NOT EXISTS (SELECT FROM "AccountDeletion" leaving WHERE leaving.user_id = causes.user_id)
      ON CONFLICT (cause) DO NOTHING RETURNING id, user_id, kind, cause, caused_at
    ),
    deliveries AS (
      INSERT INTO "NotificationDelivery" (notification_id, user_id, channel, device_id, address, due_at)
      ${emails === undefined ? toOwnAddress : toAddresses(emails)}
      UNION ALL
      ${devices === undefined ? toOwnDevices : toDevices(devices)}
      ORDER BY 1, 3 RETURNING channel
    ),
    delivery_jobs AS (${deliveryJobs(Prisma.sql`SELECT DISTINCT channel FROM deliveries`)})`;
}

const toOwnAddress = Prisma.sql`
  SELECT id, user_id, 'email'::"DeliveryChannel", NULL::uuid, NULL::text, caused_at FROM enqueued`;

const toAddresses = (emails: Prisma.Sql) => Prisma.sql`
  SELECT n.id, n.user_id, 'email'::"DeliveryChannel", NULL::uuid, e.address, n.caused_at
  FROM enqueued n JOIN (${emails}) e ON e.cause = n.cause`;

const toOwnDevices = Prisma.sql`
  SELECT n.id, n.user_id, 'push'::"DeliveryChannel", d.id, NULL, n.caused_at
  FROM enqueued n JOIN "PushDevice" d ON d.user_id = n.user_id`;

const toDevices = (devices: Prisma.Sql) => Prisma.sql`
  SELECT n.id, n.user_id, 'push'::"DeliveryChannel", d.device_id, d.token, n.caused_at
  FROM enqueued n JOIN (${devices}) d ON d.cause = n.cause`;

/**
 * A query that adds the jobs of these channels and returns their number as `jobs`. Always in the same order, so that two
 * statements cannot deadlock.
 *
 * @param channels a query of `channel`
 */
export function deliveryJobs(channels: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`
    SELECT count(CASE channel::text
      WHEN 'email' THEN ${addJob(deliveryJob('email'))} ELSE ${addJob(deliveryJob('push'))} END)::int AS jobs
    FROM (SELECT channel FROM (${channels}) c ORDER BY channel) ordered`;
}

/** The number of jobs that `enqueueNotifications` added, as `jobs`, for the final `SELECT` of the statement. */
export const jobsAdded = Prisma.sql`(SELECT jobs FROM delivery_jobs) AS jobs`;

/** A timestamp column as an ISO 8601 text, for payloads. */
export const iso = (column: string) =>
  Prisma.raw(`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`);
