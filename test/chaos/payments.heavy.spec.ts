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
import { type Person, signIn } from './people.js';
import { createWorld, type World } from './world.js';

/**
 * Money, and a service that is killed in the middle of it. The service is a process of its own and always answers at the
 * same port, so that Stripe's events find the next one. Another process, which works no jobs, stays: a job whose worker died
 * is found by whoever is there.
 */

const secret = 'whsec_ofTests';
const returnUrl = 'https://app.example/account';

let stripe: StripeBench;
let apple: FakeApple;
let folder: string;
let world: World;
let port: string;
let service: ServiceProcess;
let customer: string;
let charge: Stripe.Charge;

beforeAll(async () => {
  const patient = { clock: new SystemClock(), concurrency: 4, retry: { firstMs: 100, factor: 1.2, attempts: 60 } };
  const products = Object.values(appleProducts);
  [stripe, apple] = await Promise.all([
    startStripe(patient),
    startFakeApple({ ...patient, bundleId: 'com.example.vpn', products }),
  ]);
  folder = mkdtempSync(join(tmpdir(), 'apple-root-'));
  const rootFile = join(folder, 'root.pem');
  writeFileSync(rootFile, new X509Certificate(apple.rootCertificate).toString());
  world = await createWorld({
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
  await world.stop();
  await Promise.all([stripe.fake.close(), apple.close()]);
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  stripe.fake.clearFaults();
  apple.clearFaults();
});

/** `npm run worker`, as an operator runs it beside processes that serve the API alone. */
async function startWorker() {
  const metricsPort = String(await freePort());
  const child = spawn(process.execPath, ['dev/run.mjs', 'worker'], {
    env: { ...process.env, ...world.env, METRICS_PORT: metricsPort },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  endWithThisProcess(child.pid, 'SIGTERM');
  const lines = createInterface({ input: child.stdout });
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  const working = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      if (line.includes('"msg":"working"')) resolve();
    });
  });
  await Promise.race([
    working,
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

const start = () => world.replica({ PORT: port, IDENTITY_WORKER: 'inside' });
const sql = <Row extends Record<string, unknown>>(text: string, values?: unknown[]) =>
  query<Row>(world.services.ownerUrl, text, values);

async function checkout(headers: Person['headers']): Promise<{ url: string }> {
  const response = await fetch(`${service.url}/payment/checkout`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ planId: 'basic', interval: 'month', successUrl: returnUrl, cancelUrl: returnUrl }),
  });
  return (await response.json()) as { url: string };
}

async function subscribe() {
  const { uid } = world.firebase.createAccount({ email: 'ada@example.com', emailVerified: false });
  const { url } = await checkout({ authorization: `Bearer ${await world.firebase.mintIdToken(uid)}` });
  stripe.fake.pay(/cs_\w+/.exec(url)?.[0] ?? '');
  await settled();
  const [row] = await sql<{ customer: string }>(`SELECT stripe_customer_id AS customer FROM identity."User"`);
  const paid = (await stripe.stripe.charges.list({ customer: row?.customer ?? '' })).data[0];
  if (paid === undefined) throw new Error('nothing was paid');
  return { customer: row?.customer ?? '', charge: paid };
}

const pending = () => sql(`SELECT object_ref FROM identity."WebhookEvent" WHERE state = 'pending'`);

/** Resolves when all that Stripe told was dealt with: minutes after a crash, never the hours that a lock of jobs lasts. */
async function settled(): Promise<void> {
  await Promise.all([stripe.fake.deliveriesSettled(), apple.deliveriesSettled()]);
  await vi.waitFor(async () => expect(await pending()).toEqual([]), { timeout: 120_000, interval: 100 });
}

const refund = () => stripe.stripe.refunds.create({ charge: charge.id, amount: 1 });

/** Every refund is written here once, and no other. */
async function expectTruth(): Promise<void> {
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

/** Holds what a step needs, so that the service stands still there until it is killed. @param step its statement, if others may wait too */
async function killedAt(lock: string, work: () => unknown, step = '%'): Promise<void> {
  const client = new pg.Client(world.services.ownerUrl);
  await client.connect();
  await client.query(`BEGIN; ${lock}`);
  await work();
  const blocked = () =>
    sql(
      `SELECT 1 FROM pg_stat_activity
       WHERE wait_event_type = 'Lock' AND application_name LIKE 'identity%' AND query LIKE $1`,
      [step],
    );
  await expect.poll(blocked, { timeout: 60_000, interval: 20 }).not.toEqual([]);
  await service.kill();
  await client.query('ROLLBACK');
  await client.end();
}

describe('killed', { timeout: 300_000 }, () => {
  it.each([
    ['before an event is kept', `LOCK TABLE identity."WebhookEvent" IN SHARE MODE`],
    ['between keeping an event and adding its job', 'LOCK TABLE identity_jobs._private_jobs IN SHARE MODE'],
    ['before the payments are written', `LOCK TABLE identity."PaymentHistory" IN SHARE MODE`],
    ['between the payments and the subscription', `LOCK TABLE identity."Subscription" IN SHARE MODE`],
  ])('%s, the service loses nothing', async (_step, lock) => {
    await killedAt(lock, refund);
    service = await start();
    await settled();
    await expectTruth();
  });

  it('while it asks Stripe, the service loses nothing', async () => {
    stripe.fake.inject({ kind: 'hang' }, { on: /GET \/v1\/charges/ });
    await refund();
    await expect.poll(() => stripe.fake.requestsHeld(), { timeout: 60_000 }).toBeGreaterThan(0);
    await service.kill();
    stripe.fake.clearFaults();
    service = await start();
    await settled();
    await expectTruth();
  });

  it('between what it has written and the end of its events, the service loses nothing', async () => {
    stripe.fake.inject({ kind: 'slow', milliseconds: 60_000 }, { on: /GET \/v1\/charges/ });
    await refund();
    await stripe.fake.deliveriesSettled();
    await expect.poll(() => stripe.fake.requestsHeld(), { timeout: 60_000 }).toBeGreaterThan(0);
    const lock = `LOCK TABLE identity."WebhookEvent" IN SHARE MODE`;
    await killedAt(lock, () => stripe.fake.clearFaults(), '%UPDATE "WebhookEvent"%');
    service = await start();
    await settled();
    await expectTruth();
  });

  it('before a dispute is written, the service blocks all the same', async () => {
    let dispute = '';
    await killedAt(`LOCK TABLE identity."AccessBlock" IN SHARE MODE`, () => {
      dispute = stripe.fake.openDispute(charge.id).id;
    });
    service = await start();
    await settled();
    const blocks = () => sql(`SELECT provider_ref AS ref, lifted_on IS NULL AS blocks FROM identity."AccessBlock"`);
    expect(await blocks()).toEqual([{ ref: `stripe:${dispute}`, blocks: true }]);
    stripe.fake.closeDispute(dispute, 'won');
    await settled();
    expect(await blocks()).toEqual([{ ref: `stripe:${dispute}`, blocks: false }]);
    await expectTruth();
  });

  it('while it asks Apple, the service loses nothing', async () => {
    const { headers } = await signIn(world);
    const account = await fetch(`${service.url}/payment/apple/account`, { headers });
    const { appAccountToken } = (await account.json()) as { appAccountToken: string };
    apple.inject({ kind: 'hang' }, { on: /GET \/inApps\/v1\/subscriptions/ });
    const { originalTransactionId } = apple.buy({ product: appleProducts.plus.id, appAccountToken });
    await expect.poll(() => apple.requestsHeld(), { timeout: 60_000 }).toBeGreaterThan(0);
    await service.kill();
    apple.clearFaults();
    service = await start();
    await settled();
    const rows = await sql(`SELECT status::text FROM identity."Subscription" WHERE provider_ref = $1`, [
      `apple:${originalTransactionId}`,
    ]);
    expect(rows).toEqual([{ status: 'ACTIVE' }]);
    const paid = await sql(`SELECT kind::text FROM identity."PaymentHistory" WHERE provider = 'apple'`);
    expect(paid).toEqual([{ kind: 'charge' }]);
  });

  it('while Stripe opens a checkout, the service leaves one that can be paid, and no other', async () => {
    const { headers, uid } = await signIn(world);
    const opening = /^POST \/v1\/checkout\/sessions$/;
    stripe.fake.inject({ kind: 'late-answer', milliseconds: 60_000 }, { on: opening, times: 1 });
    const begun = checkout(headers).catch(() => undefined);
    await expect.poll(() => stripe.fake.requestsHeld(), { timeout: 60_000 }).toBeGreaterThan(0);
    await service.kill();
    stripe.fake.clearFaults();
    expect(await begun).toBeUndefined();
    service = await start();
    // As a minute later, when the killed attempt's lease is over.
    await sql(`UPDATE identity."CheckoutLease" SET until = now()`);
    const { url } = await checkout(headers);
    const [row] = await sql<{ customer: string }>(
      `SELECT stripe_customer_id AS customer FROM identity."User" WHERE firebase_uid = $1`,
      [uid],
    );
    const open = await stripe.stripe.checkout.sessions.list({ customer: row?.customer ?? '', status: 'open' });
    expect(open.data.map((session) => session.url)).toEqual([url]);
  });

  it('six times at any moment, the service loses nothing and doubles nothing', { timeout: 900_000 }, async () => {
    for (let round = 0; round < 6; round += 1) {
      await refund();
      // Chosen at random: what is being done then is the point.
      const moment = Math.random() * 150;
      await new Promise((resolve) => setTimeout(resolve, moment));
      await service.kill();
      service = await start();
    }
    await settled();
    await expectTruth();
  });
});

describe('with IDENTITY_WORKER=apart', { timeout: 300_000 }, () => {
  it('events are kept until npm run worker deals with them', async () => {
    await service.stop();
    service = await world.replica({ PORT: port });
    await refund();
    await stripe.fake.deliveriesSettled();
    expect(await pending()).not.toEqual([]);
    const worker = await startWorker();
    await settled();
    await expectTruth();
    expect(await worker.stop()).toBe(0);
  });
});
