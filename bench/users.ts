import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { type Stack, startStack } from '../dev/stack/stack.js';
import { AnnouncementsStore } from '../src/notifications/announcements.store.js';
import { type Payload } from '../src/notifications/kinds.js';
import { describeMachine } from './machine.js';
import { metersOf } from './meters.js';
import { type UsersMeasured } from './results.js';
import { type Log } from './rounds.js';
import { onlyStatementOf } from './same-sql.js';
import { startProgram } from './server-process.js';

export interface UsersOptions {
  /** How many users get a notification. */
  readonly users: number;
  /** How many accounts with ten years of history are exported and then deleted. */
  readonly histories: number;
  /** Settings of the service. */
  readonly env: Readonly<Record<string, string>>;
  /** An existing folder. The stack creates its own folder in it. */
  readonly dataDir: string;
  readonly log: Log;
}

/** The service's default. */
const mailConnections = 4;

/**
 * Measures other work of the service for users: a notification to all users, enqueued in one statement and sent by SMTP to a
 * server that accepts everything; and the export and deletion of accounts with ten years of history.
 */
export async function measureUsers(options: UsersOptions): Promise<UsersMeasured> {
  const catcher = await startProgram('mail-catcher', {});
  try {
    const stack = await startStack({
      dataDir: join(options.dataDir, 'users'),
      env: {
        ...options.env,
        SMTP_URL: catcher.url.replace('http:', 'smtp:'),
        SMTP_CONNECTIONS: String(mailConnections),
        MAIL_FROM: 'VPN <hello@vpn.localhost>',
        MAIL_UNSUBSCRIBE_URL: 'http://vpn.localhost/notifications/unsubscribe',
      },
    });
    const owner = new pg.Client(stack.services.ownerUrl);
    try {
      await owner.connect();
      const notifications = await notifyAllUsers(stack, owner, catcher.pid, options);
      return { notifications, histories: await measureHistories(stack, owner, options) };
    } finally {
      await owner.end();
      await stack.stop();
    }
  } finally {
    await catcher.stop();
  }
}

async function notifyAllUsers(
  { env, services, service }: Stack,
  owner: pg.Client,
  catcherPid: number,
  { users, log }: UsersOptions,
): Promise<UsersMeasured['notifications']> {
  await owner.query(
    `INSERT INTO identity."User" (firebase_uid, email, email_verified, created_on)
     SELECT 'uid-' || n, 'user-' || n || '@example.com', true, current_date FROM generate_series(1, $1) n`,
    [users],
  );
  const machine = await describeMachine(services.ownerUrl, services.redisUrl);
  const cpu = metersOf(machine).of(service.pid, { 'mail server (catcher)': catcherPid });
  const before = new Map(Object.entries(cpu).map(([name, seconds]) => [name, seconds()]));
  const begin = performance.now();
  const enqueued = await enqueueAnnouncement(env['IDENTITY_DATABASE_URL'] ?? '');
  const queuedMs = performance.now() - begin;
  if (enqueued !== users) throw new Error(`${enqueued} of ${users} notifications were enqueued`);
  while ((await countOf(owner, 'pending')) > 0) await setTimeout(20);
  const sentMs = performance.now() - begin;
  const sent = await countOf(owner, 'sent');
  if (sent !== users) throw new Error(`${sent} of ${users} notifications were sent`);
  const cpuMs = [...before].map(([name, used]) => [name, (((cpu[name]?.() ?? NaN) - used) * 1000) / users]);
  log(`${users} notifications: enqueued after ${queuedMs.toFixed(0)} ms, sent after ${sentMs.toFixed(0)} ms`);
  return {
    users,
    connections: mailConnections,
    queuedMs,
    sentMs,
    cpuMs: Object.fromEntries(cpuMs) as Record<string, number>,
  };
}

/** Runs the SQL of `admin notify maintenance` without starting that program. @returns the number of enqueued notifications */
async function enqueueAnnouncement(databaseUrl: string): Promise<number> {
  const payload: Payload<'maintenance'> = {
    from: '2100-01-01T02:00:00Z',
    to: '2100-01-01T03:00:00Z',
    text: 'We replace a database. Connections that are open stay open; new ones may have to wait.',
  };
  const name = `${payload.from}/${payload.to}`;
  const act = { at: new Date(), actor: 'bench', action: 'notify.maintenance', userId: null, reason: 'to measure it' };
  const ask = (store: AnnouncementsStore) => store.enqueueForAllUsers(name, payload, act);
  const { text, values } = await onlyStatementOf(AnnouncementsStore, ask);
  const service = new pg.Client({ connectionString: databaseUrl, options: '-c search_path=identity' });
  await service.connect();
  try {
    const { rows } = await service.query<{ enqueued: number }>(text, values);
    return rows[0]?.enqueued ?? 0;
  } finally {
    await service.end();
  }
}

async function countOf(owner: pg.Client, state: string): Promise<number> {
  const text = 'SELECT count(*)::int AS n FROM identity."NotificationDelivery" WHERE state::text = $1';
  return (await owner.query<{ n: number }>(text, [state])).rows[0]?.n ?? 0;
}

/** Exports and deletes one account after another. */
async function measureHistories(
  stack: Stack,
  owner: pg.Client,
  { histories, log }: UsersOptions,
): Promise<UsersMeasured['histories']> {
  await owner.query(`INSERT INTO identity."Plan" (id, name, daily_tokens) VALUES ('bench', 'Bench', 32)`);
  const uids = [];
  while (uids.length <= histories) uids.push(await makeHistory(stack, owner, uids.length));
  // Gives the planner statistics of the new rows, as it would have of real history.
  await owner.query('ANALYZE');
  const exportMs: number[] = [];
  const deletionMs: number[] = [];
  let [rows, bytes] = [0, 0];
  for (const [index, uid] of uids.entries()) {
    const headers = { authorization: `Bearer ${await stack.firebase.mintIdToken(uid)}` };
    const begin = performance.now();
    const answer = await fetch(`${stack.service.url}/account/export`, { headers });
    const text = await answer.text();
    const exported = performance.now();
    if (answer.status !== 200) throw new Error(`an export answers ${answer.status}: ${text}`);
    const { status } = await fetch(`${stack.service.url}/account`, { method: 'DELETE', headers });
    if (status !== 202) throw new Error(`a deletion answers ${status}`);
    await untilErased(owner, uid);
    // The first warms up.
    if (index === 0) continue;
    exportMs.push(exported - begin);
    deletionMs.push(performance.now() - exported);
    const { tables } = JSON.parse(text) as { tables: Record<string, unknown[]> };
    [rows, bytes] = [Object.values(tables).reduce((sum, list) => sum + list.length, 0), Buffer.byteLength(text)];
  }
  log(`${histories} accounts with ten years of history, ${rows} rows each, exported and deleted`);
  return { accounts: histories, rows, bytes, exportMs, deletionMs };
}

/**
 * Creates an account with ten years of monthly payments and all that belongs to them: subscription events, notifications of the
 * last 90 days, audit events, Apple's notifications of the last 30 days, and the maximum number of devices.
 */
async function makeHistory({ firebase }: Stack, owner: pg.Client, index: number): Promise<string> {
  const email = `history-${index}@example.com`;
  const { uid } = firebase.createAccount({ email, emailVerified: true });
  await owner.query(
    `WITH account AS (
       INSERT INTO identity."User" (firebase_uid, email, email_verified, created_on)
       VALUES ($1, $2, true, current_date - 3650) RETURNING id
     ), access AS (
       INSERT INTO identity."Subscription" (user_id, provider, provider_ref, plan_id, status, paid_through, fetch_version)
       SELECT id, 'apple', 'apple:' || $1, 'bench', 'ACTIVE', now() + interval '9 days', 1 FROM account
     ), chosen AS (
       INSERT INTO identity."UserPreferences" SELECT id, 7, NULL, 'ads', 443, 'en', '{renewed}', '{}' FROM account
     ), devices AS (
       INSERT INTO identity."PushDevice" (user_id, token, platform, registered_on)
       SELECT id, $1 || n, 'ios', current_date FROM account, generate_series(1, 20) n
     ), payments AS (
       INSERT INTO identity."PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
       SELECT id, 'apple', 'apple:' || $1 || n, 'charge', 499, 'eur', now() - n * interval '1 month'
       FROM account, generate_series(1, 120) n
     ), events AS (
       INSERT INTO identity."SubscriptionEvent" (user_id, provider, kind, plan_id, until, at)
       SELECT id, 'apple', 'renewed', 'bench', now(), now() - n * interval '1 day' FROM account, generate_series(1, 2400) n
     ), notified AS (
       INSERT INTO identity."Notification" (cause, kind, user_id, payload, caused_at)
       SELECT $1 || n, 'renewed', id, '{"plan": "Bench", "until": "2030-01-01T00:00:00Z"}', now() - n * interval '6 hours'
       FROM account, generate_series(1, 360) n RETURNING id, user_id
     ), deliveries AS (
       INSERT INTO identity."NotificationDelivery" (notification_id, user_id, channel, state, due_at)
       SELECT id, user_id, 'email', 'sent', now() FROM notified
     ), inbox AS (
       INSERT INTO identity."WebhookEvent" (provider, event_id, type, object_ref, occurred_at, received_at, state)
       SELECT 'apple', $1 || n, 'DID_RENEW', $1, now(), now(), 'done' FROM account, generate_series(1, 60) n
     )
     INSERT INTO identity."AuditEvent" (at, actor, action, user_id, reason)
     SELECT now() - n * interval '3 days', 'self', 'account.sign_out_everywhere', id, 'asked'
     FROM account, generate_series(1, 1200) n`,
    [uid, email],
  );
  return uid;
}

async function untilErased(owner: pg.Client, uid: string): Promise<void> {
  const text = 'SELECT erased_at IS NOT NULL AS gone FROM identity."AccountDeletion" WHERE firebase_uid = $1';
  while ((await owner.query<{ gone: boolean }>(text, [uid])).rows[0]?.gone !== true) await setTimeout(5);
}
