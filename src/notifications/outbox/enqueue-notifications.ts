import { addJob } from '../../platform/jobs/index.js';
import { Prisma } from '../../prisma/identity/index.js';

/**
 * A transactional outbox: each notification is sent for one cause, once, whatever is killed meanwhile.
 *
 *  1. The statement that makes something happen also inserts the notification: both are committed, or neither is.
 *  2. The name of the cause is unique. A cause that comes again, however often and wherever, adds nothing.
 *  3. With the notification come its deliveries, by default one e-mail and a push to each device, and the jobs that send them.
 *
 * No other code inserts notifications or deliveries. What may be sent to a user, and in which words, is decided when it is
 * sent: see `src/notifications/`.
 */

/** The job that sends what waits, by the channel. */
export const deliveryTasks = { email: 'deliver-email', push: 'deliver-push' } as const;

export type Channel = keyof typeof deliveryTasks;

/** One at a time for each channel, whatever the number of workers: what waits goes out in the order of its age. */
const deliveryJob = (channel: Channel) => {
  const task = deliveryTasks[channel];
  return { task, payload: {}, key: task, queue: task };
};

/** Where notifications go, if not to their user's own address and devices as they are when it is sent. */
export interface Recipients {
  /**
   * A query of `cause` and `address` text: an e-mail to each, and to no other. The delivery keeps its address until it is sent,
   * so it needs no user: with this, a notification may have none.
   */
  readonly emails?: Prisma.Sql;
  /**
   * A query of `cause`, `device_id` uuid and `token` text: a push to each, and to no other. `device_id` of devices that stay,
   * `token` of those that go with this statement; the other is null.
   */
  readonly devices?: Prisma.Sql;
}

/**
 * The end of a `WITH`: enqueues a notification for each row of `causes`. The statement must go on to read `jobsAdded`, or
 * PostgreSQL would leave the jobs out. It may read `enqueued`: the notifications that are new, with their `id`, `user_id`,
 * `kind`, `cause` and `caused_at`.
 *
 * @param causes a query of `user_id` uuid, `kind` text, `cause` text (unique for what happened), `payload` jsonb and `at`
 * timestamptz. Rows without a user are left out, unless `emails` says where they go; so are those of an account that is being
 * deleted
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
 * A query that adds the jobs of these channels; its `jobs` says how many. Always in the same order, so that two never wait for
 * each other in a circle.
 *
 * @param channels a query of `channel`
 */
export function deliveryJobs(channels: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`
    SELECT count(CASE channel::text
      WHEN 'email' THEN ${addJob(deliveryJob('email'))} ELSE ${addJob(deliveryJob('push'))} END)::int AS jobs
    FROM (SELECT channel FROM (${channels}) c ORDER BY channel) ordered`;
}

/** How many jobs `enqueueNotifications` has added, as `jobs`, for the `SELECT` that ends the statement. */
export const jobsAdded = Prisma.sql`(SELECT jobs FROM delivery_jobs) AS jobs`;

/** A moment of a column, as payloads have it. */
export const iso = (column: string) =>
  Prisma.raw(`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`);
