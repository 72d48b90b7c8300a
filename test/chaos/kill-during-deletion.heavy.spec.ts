import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SystemClock } from '../../src/platform/config/index.js';
import { HoldingProxy, type Moment } from '../support/holding-proxy.js';
import { query } from '../support/stack.js';
import { startStripe, type StripeBench } from '@vpn-backend/fake-providers/testing';
import { http, postgres } from '../support/wire-protocols.js';
import { send } from './requests.js';
import { type TestUser, signIn } from './users.js';
import { startCluster, type Replica, type Cluster } from './cluster.js';

/** Kills the service at each step of an account deletion. A process that starts later must finish the deletion. */

let cluster: Cluster;
let stripe: StripeBench;
let toStripe: HoldingProxy;
let toPostgres: HoldingProxy;

beforeAll(async () => {
  stripe = await startStripe({ clock: new SystemClock(), concurrency: 4 });
  toStripe = await HoldingProxy.start([Number(new URL(stripe.fake.url).port)], http);
  cluster = await startCluster({
    STRIPE_SECRET_KEY: stripe.fake.apiKey,
    STRIPE_WEBHOOK_SECRET: 'whsec_ofTests',
    STRIPE_API_URL: `http://127.0.0.1:${toStripe.port}`,
    PAYMENT_RETURN_URLS: 'https://app.example/account',
    // The first replica runs no jobs, so that the process to be killed runs them.
    IDENTITY_WORKER: 'apart',
  });
  toPostgres = await HoldingProxy.start([Number(new URL(cluster.services.ownerUrl).port)], postgres);
}, 300_000);
afterAll(async () => {
  await Promise.all([toStripe, toPostgres].map((proxy) => proxy.stop()));
  await cluster.stop();
  await stripe.fake.close();
});

const sql = <Row extends Record<string, unknown>>(text: string, values?: unknown[]) =>
  query<Row>(cluster.services.ownerUrl, text, values);
const startWorker = (settings = {}) => cluster.startReplica({ IDENTITY_WORKER: 'inside', ...settings });
const deleteAccount = (url: string, { headers }: TestUser) => send(`${url}/account`, { method: 'DELETE', headers });

interface StripeUser extends TestUser {
  /** The primary key in the table `User`. */
  readonly id: string;
  /** The user's customer id at Stripe. */
  readonly customer: string;
}

async function createStripeUser(): Promise<StripeUser> {
  const user = await signIn(cluster);
  expect((await send(`${cluster.firstReplica.url}/account`, { headers: user.headers })).status).toBe(200);
  const { id: customer } = await stripe.stripe.customers.create({ email: user.email });
  const [row] = await sql<{ id: string }>(
    'UPDATE identity."User" SET stripe_customer_id = $2 WHERE firebase_uid = $1 RETURNING id',
    [user.uid, customer],
  );
  return { ...user, id: row?.id ?? '', customer };
}

/** Expects the user to be erased in the database, at Stripe and at Firebase, and to have received one mail about it. */
async function expectErased({ id, uid, email, customer }: StripeUser): Promise<void> {
  const erased = () =>
    sql('SELECT 1 FROM identity."AccountDeletion" WHERE user_id = $1 AND erased_at IS NOT NULL', [id]);
  await expect.poll(erased, { timeout: 100_000, interval: 200 }).toHaveLength(1);
  expect(await sql('SELECT 1 FROM identity."User" WHERE id = $1', [id])).toEqual([]);
  expect((await stripe.stripe.customers.retrieve(customer)).deleted).toBe(true);
  expect(cluster.firebase.exists(uid)).toBe(false);
  const mails = () =>
    cluster.mail?.mails.filter(({ to }) => to[0] === email).map(({ headers }) => headers.subject) ?? [];
  // If the killed process had claimed the delivery, the claim must first expire, after five minutes.
  await expect.poll(mails, { timeout: 400_000, interval: 200 }).toContain('Your account is deleted');
  expect(mails().filter((subject) => subject === 'Your account is deleted')).toHaveLength(1);
}

/** Starts a new worker and expects it to finish the deletion. */
async function expectSuccessorToFinish(user: StripeUser): Promise<void> {
  const successor = await startWorker();
  await expectErased(user);
  await successor.stop();
}

/** Requests the deletion, and kills the service before or after the matching statement. */
async function killAt(victim: Replica, proxy: HoldingProxy, moment: Moment, matches: RegExp, user: StripeUser) {
  const reached = proxy.hold(moment, matches);
  const answer = deleteAccount(victim.url, user);
  await reached;
  await victim.kill();
  return answer;
}

const throughProxy = () => ({ IDENTITY_DATABASE_URL: toPostgres.through(cluster.env['IDENTITY_DATABASE_URL'] ?? '') });

describe.each<Moment>(['before', 'after'])('an account deletion, when the service is killed %s a step', (moment) => {
  it('has not begun or is finished, when the step records the deletion', { timeout: 600_000 }, async () => {
    const user = await createStripeUser();
    const victim = await startWorker(throughProxy());
    await killAt(victim, toPostgres, moment, /INSERT INTO "AccountDeletion"/, user);
    if (moment === 'before') {
      expect(await sql('SELECT 1 FROM identity."AccountDeletion" WHERE user_id = $1', [user.id])).toEqual([]);
      expect((await deleteAccount(cluster.firstReplica.url, user)).status).toBe(202);
    }
    await expectSuccessorToFinish(user);
  });

  it('is finished by another process, when the step deletes the Stripe customer', { timeout: 600_000 }, async () => {
    const user = await createStripeUser();
    const victim = await startWorker();
    await killAt(victim, toStripe, moment, /^DELETE \/v1\/customers\//, user);
    expect([
      cluster.firebase.exists(user.uid),
      (await sql('SELECT 1 FROM identity."User" WHERE id = $1', [user.id])).length,
    ]).toEqual([true, 1]);
    await expectSuccessorToFinish(user);
  });

  it('is finished by another process, when the step erases the user', { timeout: 600_000 }, async () => {
    const user = await createStripeUser();
    const victim = await startWorker(throughProxy());
    await killAt(victim, toPostgres, moment, /DELETE FROM "User"/, user);
    expect(cluster.firebase.exists(user.uid)).toBe(false);
    await expectSuccessorToFinish(user);
  });
});

describe('an account deletion, when the service is killed during its request to Firebase', () => {
  it('is finished by another process', { timeout: 600_000 }, async () => {
    const user = await createStripeUser();
    expect((await deleteAccount(cluster.firstReplica.url, user)).status).toBe(202);
    cluster.firebase.goDown('hanging');
    const victim = await startWorker();
    const isDeletedAtStripe = async () => (await stripe.stripe.customers.retrieve(user.customer)).deleted;
    await expect.poll(isDeletedAtStripe, { timeout: 60_000 }).toBe(true);
    await victim.kill();
    cluster.firebase.comeBack();
    expect(cluster.firebase.exists(user.uid)).toBe(true);
    await expectSuccessorToFinish(user);
  });
});
