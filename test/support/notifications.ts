import { expect } from 'vitest';
import { freePort } from '../../dev/services/server-process.js';
import { type MailCatcher, startMailCatcher } from '@vpn-backend/fake-providers/mail';
import { enqueueNotifications, jobsAdded } from '../../src/notifications/outbox/index.js';
import { IdentityMaintenance, Prisma } from '../../src/prisma/identity/index.js';
import { type Env } from './app.js';
import { type SignedIn, startGatekeeper, type TestGatekeeper } from './gatekeeper.js';
import { startPayments, type TestPayments } from './payments.js';
import { query } from './stack.js';
import { runMaintenanceJob } from './maintenance.js';

const mailEnv = (catcher: MailCatcher): Env => ({
  SMTP_URL: catcher.url,
  // One connection, so that mails arrive in the order of sending.
  SMTP_CONNECTIONS: '1',
  MAIL_FROM: 'Example VPN <hello@vpn.example>',
  MAIL_UNSUBSCRIBE_URL: 'https://id.vpn.example/notifications/unsubscribe',
});

interface Delivery {
  readonly kind: string;
  readonly channel: string;
  readonly state: string;
  readonly reason: string | null;
  readonly attempts: number;
  readonly address: string | null;
}

/** Helpers for tests of notifications. */
export interface Notices {
  readonly mail: MailCatcher;
  sql<Row extends Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  idOf(user: SignedIn): Promise<string>;
  /** Deliveries to a user, oldest first. */
  deliveries(user: SignedIn): Promise<Delivery[]>;
  /** Inserts a notification and its delivery directly. */
  cause(user: SignedIn, kind: string, cause?: string, payload?: object): Promise<void>;
  /** Enqueues a notification with `enqueueNotifications`, as the modules do. */
  tell(user: SignedIn, kind: string, cause: string, payload: object): Promise<void>;
  /** Runs the maintenance jobs now: for due notifications and for deliveries that wait for a retry. */
  tick(): Promise<void>;
  /** Subjects of the mails to an address. */
  subjects(address: string): string[];
  /** Resolves when no delivery is due. */
  settled(): Promise<void>;
}

function notificationHelpers(gatekeeper: TestGatekeeper, mail: MailCatcher): Notices {
  const { stack, service, clock } = gatekeeper;
  const sql: Notices['sql'] = (text, values) => query(stack.ownerUrl, text, values);
  const idOf: Notices['idOf'] = async ({ uid }) => {
    const [row] = await sql<{ id: string }>('SELECT id FROM identity."User" WHERE firebase_uid = $1', [uid]);
    return row?.id ?? '';
  };
  const maintenance = () => service.app.get(IdentityMaintenance, { strict: false });
  return {
    mail,
    sql,
    idOf,
    deliveries: ({ uid }) =>
      sql<Delivery & Record<string, unknown>>(
        `SELECT n.kind::text, d.channel::text, d.state::text, d.reason, d.attempts, d.address
         FROM identity."NotificationDelivery" d JOIN identity."Notification" n ON n.id = d.notification_id
         JOIN identity."User" u ON u.id = d.user_id WHERE u.firebase_uid = $1 ORDER BY d.id`,
        [uid],
      ),
    cause: async (user, kind, cause = crypto.randomUUID(), payload = {}) => {
      await sql(
        `WITH enqueued AS (
           INSERT INTO identity."Notification" (user_id, kind, cause, payload, caused_at) VALUES ($1, $2, $3, $4, date_trunc('second', $5::timestamptz))
           ON CONFLICT DO NOTHING RETURNING id, user_id, caused_at)
         INSERT INTO identity."NotificationDelivery" (notification_id, user_id, channel, due_at)
         SELECT id, user_id, 'email', caused_at FROM enqueued`,
        [await idOf(user), kind, cause, payload, clock.now()],
      );
    },
    tell: async (user, kind, cause, payload) => {
      const { text, values } = Prisma.sql`WITH ${enqueueNotifications(Prisma.sql`
        SELECT ${await idOf(user)}::uuid AS user_id, ${kind} AS kind, ${cause} AS cause,
          ${JSON.stringify(payload)}::jsonb AS payload, ${clock.now()}::timestamptz AS at`)} SELECT ${jobsAdded}`;
      await query(`${stack.identityUrl}?options=-c%20search_path%3Didentity`, text, values);
    },
    tick: async () => {
      await runMaintenanceJob(maintenance(), 'timed-notifications');
      await runMaintenanceJob(maintenance(), 'notifications-due');
    },
    subjects: (address) => mail.mails.filter(({ to }) => to[0] === address).map(({ headers }) => headers.subject ?? ''),
    settled: async () => {
      const waiting = () =>
        sql(
          `SELECT d.id FROM identity."NotificationDelivery" d WHERE state = 'pending' AND (due_at <= $1 OR claimed_until IS NOT NULL)
             AND NOT EXISTS (SELECT FROM identity."DeliveryPause" p WHERE p.channel = d.channel AND until > $1)`,
          [clock.now()],
        );
      await expect.poll(waiting, { timeout: 20_000 }).toEqual([]);
    },
  };
}

/** A gatekeeper with a mail server that catches all mails. */
export async function startNotices(env: Env = {}): Promise<TestGatekeeper & Notices> {
  const mail = await startMailCatcher({ port: await freePort() });
  const gatekeeper = await startGatekeeper({ ...mailEnv(mail), ...env });
  return { ...gatekeeper, ...notificationHelpers(gatekeeper, mail), stop: both(gatekeeper, mail) };
}

/** Like `startNotices`, with the fake payment providers. */
export async function startPaidNotices(): Promise<TestPayments & Notices> {
  const mail = await startMailCatcher({ port: await freePort() });
  const payments = await startPayments(mailEnv(mail));
  const notifications = notificationHelpers(payments, mail);
  const settled = async () => {
    await payments.settled();
    await notifications.settled();
  };
  return { ...payments, ...notifications, settled, stop: both(payments, mail) };
}

const both = (gatekeeper: { stop(): Promise<void> }, mail: MailCatcher) => async () => {
  await gatekeeper.stop();
  await mail.close();
};
