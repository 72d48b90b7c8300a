import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import type Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type FakeApple, startFakeApple } from '@vpn-backend/fake-providers/apple';
import { appleProducts, startStripe, type StripeBench } from '@vpn-backend/fake-providers/testing';
import { endWithThisProcess } from '../../dev/services/reaper.js';
import { freePort } from '../../dev/services/server-process.js';
import { type ServiceProcess } from '../../dev/stack/service-process.js';
import { SystemClock } from '../../src/platform/config/index.js';
import { appleSettings } from '../support/apple-settings.js';
import { query } from '../support/stack.js';
import { type TestUser, signIn } from './users.js';
import { startCluster, type Cluster } from './cluster.js';

/**
 * Kills the service while it processes payments. The service always listens on the same port, so that Stripe's events also
 * reach the process that replaces a killed one. A second process, which runs no jobs, keeps running: it makes the jobs of a
 * dead worker available again.
 */

const secret = 'whsec_ofTests';
const returnUrl = 'https://app.example/account';

let stripe: StripeBench;
let apple: FakeApple;
let folder: string;
let cluster: Cluster;
let port: string;
let service: ServiceProcess;
let customer: string;
let charge: Stripe.Charge;

beforeAll(async () => {
  const options = { clock: new SystemClock(), concurrency: 4, retry: { firstMs: 100, factor: 1.2, attempts: 60 } };
  const products = Object.values(appleProducts);
  [stripe, apple] = await Promise.all([
    startStripe(options),
    startFakeApple({ ...options, bundleId: 'com.example.vpn', products }),
  ]);
  folder = mkdtempSync(join(tmpdir(), 'apple-root-'));
  const rootFile = join(folder, 'root.pem');
  writeFileSync(rootFile, new X509Certificate(apple.rootCertificate).toString());
  cluster = await startCluster({
    STRIPE_SECRET_KEY: stripe.fake.apiKey,
    STRIPE_WEBHOOK_SECRET: secret,
    STRIPE_API_URL: stripe.fake.url,
    PAYMENT_RETURN_URLS: returnUrl,
    ...appleSettings(apple, rootFile),
    IDENTITY_WORKER: 'apart',
  });
  port = String(await freePort());
  service = await start();
  stripe.fake.deliverTo(`${service.url}/payment/webhooks/stripe`, { secret });
  apple.setNotificationUrl(`${service.url}/payment/webhooks/apple`);
  await sql(`INSERT INTO identity."Plan" VALUES ('basic', 'Basic', 32)`);
  await sql(
    `INSERT INTO identity."PlanPrice" (provider, price_ref, plan_id, interval, amount, currency, offered)
     VALUES ('stripe', $1, 'basic', 'month', 499, 'eur', true), ('apple', $2, 'basic', 'month', NULL, NULL, true)`,
    [stripe.prices.basic, appleProducts.plus.id],
  );
  ({ customer, charge } = await subscribe());
}, 300_000);
afterAll(async () => {
  await cluster.stop();
  await Promise.all([stripe.fake.close(), apple.close()]);
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  stripe.fake.clearFaults();
  apple.clearFaults();
});

/** Runs `npm run worker`, as an operator does when the API processes run no jobs. */
async function startWorker() {
  const metricsPort = String(await freePort());
  const child = spawn(process.execPath, ['dev/run.mjs', 'worker'], {
    env: { ...process.env, ...cluster.env, METRICS_PORT: metricsPort },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  endWithThisProcess(child.pid, 'SIGTERM');
  const lines = createInterface({ input: child.stdout });
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  const started = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      if (line.includes('"msg":"working"')) resolve();
    });
  });
  await Promise.race([
    started,
    exit.then((code) => {
      throw new Error(`the worker ended with ${code}`);
    }),
  ]);
  return {
    stop: async () => {
      child.kill('SIGTERM');
      return exit;
    },
  };
}

const start = () => cluster.startReplica({ PORT: port, IDENTITY_WORKER: 'inside' });
const sql = <Row extends Record<string, unknown>>(text: string, values?: unknown[]) =>
  query<Row>(cluster.services.ownerUrl, text, values);

async function checkout(headers: TestUser['headers']): Promise<{ url: string }> {
  const response = await fetch(`${service.url}/payment/checkout`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ planId: 'basic', interval: 'month', successUrl: returnUrl, cancelUrl: returnUrl }),
  });
  return (await response.json()) as { url: string };
}

async function subscribe() {
  const { uid } = cluster.firebase.createAccount({ email: 'ada@example.com', emailVerified: false });
  const { url } = await checkout({ authorization: `Bearer ${await cluster.firebase.mintIdToken(uid)}` });
  stripe.fake.pay(/cs_\w+/.exec(url)?.[0] ?? '');
  await untilSettled();
  const [row] = await sql<{ customer: string }>(`SELECT stripe_customer_id AS customer FROM identity."User"`);
  const firstCharge = (await stripe.stripe.charges.list({ customer: row?.customer ?? '' })).data[0];
  if (firstCharge === undefined) throw new Error('Stripe has no charge of this customer');
  return { customer: row?.customer ?? '', charge: firstCharge };
}

const pendingEvents = () => sql(`SELECT object_ref FROM identity."WebhookEvent" WHERE state = 'pending'`);

/**
 * Resolves when the service has processed all events. After a crash this must take less than two minutes, although the dead
 * worker's locks on its jobs last for hours.
 */
async function untilSettled(): Promise<void> {
  await Promise.all([stripe.fake.deliveriesSettled(), apple.deliveriesSettled()]);
  await vi.waitFor(async () => expect(await pendingEvents()).toEqual([]), { timeout: 120_000, interval: 100 });
}

const refund = () => stripe.stripe.refunds.create({ charge: charge.id, amount: 1 });

/** Expects each of Stripe's refunds to be recorded exactly once, and the subscription to be active. */
async function expectStripeState(): Promise<void> {
  const rows = await sql<{ ref: string }>(
    `SELECT replace(provider_ref, 'stripe:', '') AS ref FROM identity."PaymentHistory" WHERE kind = 'refund' ORDER BY 1`,
  );
  const { data } = await stripe.stripe.refunds.list({ charge: charge.id, limit: 100 });
  expect(rows.map(({ ref }) => ref)).toEqual(data.map(({ id }) => id).sort());
  const states = await sql<{ status: string }>(
    `SELECT status::text FROM identity."Subscription" s JOIN identity."User" u ON u.id = s.user_id WHERE stripe_customer_id = $1`,
    [customer],
  );
  expect(states).toEqual([{ status: 'ACTIVE' }]);
}

/**
 * Takes a table lock, triggers work in the service, and kills the service when it waits for the lock.
 *
 * @param statement pattern (LIKE) of the statement that waits, when other statements may wait for the lock too
 */
async function killWhileBlocked(lock: string, trigger: () => unknown, statement = '%'): Promise<void> {
  const client = new pg.Client(cluster.services.ownerUrl);
  await client.connect();
  await client.query(`BEGIN; ${lock}`);
  await trigger();
  const blocked = () =>
    sql(
      `SELECT 1 FROM pg_stat_activity
       WHERE wait_event_type = 'Lock' AND application_name LIKE 'identity%' AND query LIKE $1`,
      [statement],
    );
  await expect.poll(blocked, { timeout: 60_000, interval: 20 }).not.toEqual([]);
  await service.kill();
  await client.query('ROLLBACK');
  await client.end();
}

describe('a service that is killed', { timeout: 300_000 }, () => {
  it.each([
    ['before it stores an event', `LOCK TABLE identity."WebhookEvent" IN SHARE MODE`],
    ['after it stores an event and before it adds the job', 'LOCK TABLE identity_jobs._private_jobs IN SHARE MODE'],
    ['before it writes the payments', `LOCK TABLE identity."PaymentHistory" IN SHARE MODE`],
    [
      'after it writes the payments and before it writes the subscription',
      `LOCK TABLE identity."Subscription" IN SHARE MODE`,
    ],
  ])('%s loses nothing', async (_step, lock) => {
    await killWhileBlocked(lock, refund);
    service = await start();
    await untilSettled();
    await expectStripeState();
  });

  it('during a request to Stripe loses nothing', async () => {
    stripe.fake.inject({ kind: 'hang' }, { on: /GET \/v1\/charges/ });
    await refund();
    await expect.poll(() => stripe.fake.requestsHeld(), { timeout: 60_000 }).toBeGreaterThan(0);
    await service.kill();
    stripe.fake.clearFaults();
    service = await start();
    await untilSettled();
    await expectStripeState();
  });

  it('after it writes the changes and before it marks the events as processed loses nothing', async () => {
    stripe.fake.inject({ kind: 'slow', milliseconds: 60_000 }, { on: /GET \/v1\/charges/ });
    await refund();
    await stripe.fake.deliveriesSettled();
    await expect.poll(() => stripe.fake.requestsHeld(), { timeout: 60_000 }).toBeGreaterThan(0);
    const lock = `LOCK TABLE identity."WebhookEvent" IN SHARE MODE`;
    await killWhileBlocked(lock, () => stripe.fake.clearFaults(), '%UPDATE "WebhookEvent"%');
    service = await start();
    await untilSettled();
    await expectStripeState();
  });

  it('before it writes a dispute still blocks the user', async () => {
    let dispute = '';
    await killWhileBlocked(`LOCK TABLE identity."AccessBlock" IN SHARE MODE`, () => {
      dispute = stripe.fake.openDispute(charge.id).id;
    });
    service = await start();
    await untilSettled();
    const blocks = () => sql(`SELECT provider_ref AS ref, lifted_on IS NULL AS blocks FROM identity."AccessBlock"`);
    expect(await blocks()).toEqual([{ ref: `stripe:${dispute}`, blocks: true }]);
    stripe.fake.closeDispute(dispute, 'won');
    await untilSettled();
    expect(await blocks()).toEqual([{ ref: `stripe:${dispute}`, blocks: false }]);
    await expectStripeState();
  });

  it('during a request to Apple loses nothing', async () => {
    const { headers } = await signIn(cluster);
    const account = await fetch(`${service.url}/payment/apple/account`, { headers });
    const { appAccountToken } = (await account.json()) as { appAccountToken: string };
    apple.inject({ kind: 'hang' }, { on: /GET \/inApps\/v1\/subscriptions/ });
    const { originalTransactionId } = apple.buy({ product: appleProducts.plus.id, appAccountToken });
    await expect.poll(() => apple.requestsHeld(), { timeout: 60_000 }).toBeGreaterThan(0);
    await service.kill();
    apple.clearFaults();
    service = await start();
    await untilSettled();
    const rows = await sql(`SELECT status::text FROM identity."Subscription" WHERE provider_ref = $1`, [
      `apple:${originalTransactionId}`,
    ]);
    expect(rows).toEqual([{ status: 'ACTIVE' }]);
    const paid = await sql(`SELECT kind::text FROM identity."PaymentHistory" WHERE provider = 'apple'`);
    expect(paid).toEqual([{ kind: 'charge' }]);
  });

  it('while Stripe opens a checkout leaves exactly one open checkout after a retry', async () => {
    const { headers, uid } = await signIn(cluster);
    const opening = /^POST \/v1\/checkout\/sessions$/;
    stripe.fake.inject({ kind: 'late-answer', milliseconds: 60_000 }, { on: opening, times: 1 });
    const interrupted = checkout(headers).catch(() => undefined);
    await expect.poll(() => stripe.fake.requestsHeld(), { timeout: 60_000 }).toBeGreaterThan(0);
    await service.kill();
    stripe.fake.clearFaults();
    expect(await interrupted).toBeUndefined();
    service = await start();
    // Ends the killed attempt's lease now, which saves the test from waiting a minute.
    await sql(`UPDATE identity."CheckoutLease" SET until = now()`);
    const { url } = await checkout(headers);
    const [row] = await sql<{ customer: string }>(
      `SELECT stripe_customer_id AS customer FROM identity."User" WHERE firebase_uid = $1`,
      [uid],
    );
    const open = await stripe.stripe.checkout.sessions.list({ customer: row?.customer ?? '', status: 'open' });
    expect(open.data.map((session) => session.url)).toEqual([url]);
  });

  it('six times at random moments records every refund exactly once', { timeout: 900_000 }, async () => {
    for (let round = 0; round < 6; round += 1) {
      await refund();
      // A random delay, so that each kill interrupts another step.
      const delayMs = Math.random() * 150;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await service.kill();
      service = await start();
    }
    await untilSettled();
    await expectStripeState();
  });
});

describe('a service with IDENTITY_WORKER=apart', { timeout: 300_000 }, () => {
  it('stores events until npm run worker processes them', async () => {
    await service.stop();
    service = await cluster.startReplica({ PORT: port });
    await refund();
    await stripe.fake.deliveriesSettled();
    expect(await pendingEvents()).not.toEqual([]);
    const worker = await startWorker();
    await untilSettled();
    await expectStripeState();
    expect(await worker.stop()).toBe(0);
  });
});
