import { addJob } from '../../platform/jobs/index.js';
import { Prisma } from '../../prisma/identity/index.js';

/**
 * How people are told what happened, exactly once for each cause and whatever is killed:
 *
 *  1. The statement that makes something happen inserts the notice in the same breath: both are committed, or neither is.
 *  2. The name of the cause is unique. A cause that comes again, however often and wherever, adds nothing.
 *  3. With the notice come its deliveries, one by mail and one for each device, and the jobs that work them off.
 *
 * Who may be told what, and in which words, is decided when it is sent: see `src/notifications/`.
 */

/** The job that delivers what waits, by the channel. */
export const deliveryTasks = { email: 'deliver-email', push: 'deliver-push' } as const;

export type Channel = keyof typeof deliveryTasks;

/** One at a time for each channel, whatever the number of workers: what waits goes out in the order of its age. */
const deliveryJob = (channel: Channel) => {
  const task = deliveryTasks[channel];
  return { task, payload: {}, key: task, queue: task };
};

/**
 * The end of a `WITH`: tells whatever `causes` selects. The statement must go on to read `woken`, or PostgreSQL would leave
 * the jobs out.
 *
 * @param causes a query of `user_id` uuid, `kind` text, `cause` text (unique for what happened), `facts` jsonb and `at`
 * timestamptz; those without a person are left out, and those of an account that is being deleted
 * @param devices a query of `user_id`, `id` and `token`: `id` of devices that stay, `token` of those that go with this statement
 */
export function telling(causes: Prisma.Sql, devices = theirDevices): Prisma.Sql {
  return Prisma.sql`
    causes AS (${causes}),
    told AS (
      INSERT INTO "Notification" (user_id, kind, cause, facts, caused_at)
      SELECT user_id, kind::"NotificationKind", cause, facts, date_trunc('second', at) FROM causes
      WHERE user_id IS NOT NULL AND NOT EXISTS (SELECT FROM "AccountDeletion" leaving WHERE leaving.user_id = causes.user_id)
      ON CONFLICT (cause) DO NOTHING RETURNING id, user_id, cause, caused_at
    ),
    deliveries AS (
      INSERT INTO "NotificationDelivery" (notification_id, user_id, channel, device_id, address, due_at)
      SELECT id, user_id, 'email'::"DeliveryChannel", NULL::uuid, NULL::text, caused_at FROM told
      UNION ALL
      SELECT told.id, told.user_id, 'push'::"DeliveryChannel", d.id, d.token, told.caused_at
      FROM told JOIN (${devices}) d ON d.user_id = told.user_id
      ORDER BY 1, 3 RETURNING channel
    ),
    woken AS (${wakingUp(Prisma.sql`SELECT DISTINCT channel FROM deliveries`)})`;
}

const theirDevices = Prisma.sql`SELECT user_id, id, NULL::text AS token FROM "PushDevice"`;

/** How many jobs were added for these channels. Always in the same order, so that two never wait for each other in a circle. */
export function wakingUp(channels: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`
    SELECT count(CASE channel::text
      WHEN 'email' THEN ${addJob(deliveryJob('email'))} ELSE ${addJob(deliveryJob('push'))} END)::int AS jobs
    FROM (SELECT channel FROM (${channels}) c ORDER BY channel) ordered`;
}

/** A moment of a column, as facts have it. */
export const iso = (column: string) =>
  Prisma.raw(`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`);

/** For the `SELECT` that ends the statement. */
export const areWoken = Prisma.sql`(SELECT jobs FROM woken) AS jobs`;
