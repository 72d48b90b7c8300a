import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import pg from 'pg';
import type Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../dev/services/server-process.js';
import { type ServiceProcess } from '../../dev/stack/service-process.js';
import { SystemClock } from '../../src/config/index.js';
import { query } from '../support/stack.js';
import { startStripe, type StripeBench } from '../support/stripe.js';
import { createWorld, type World } from './world.js';

/**
 * Money, and a service that is killed in the middle of it. The service is a process of its own and always answers at the
 * same port, so that Stripe's events find the next one. Another process, which works no jobs, stays: a job whose worker died
 * is found by whoever is there.
 */

const secret = 'whsec_ofTests';
const returnUrl = 'https://app.example/account';

let stripe: StripeBench;
let world: World;
let port: string;
let service: ServiceProcess;
let customer: string;
let charge: Stripe.Charge;

beforeAll(async () => {
  stripe = await startStripe({
    clock: new SystemClock(),
    concurrency: 4,
    retry: { firstMs: 100, factor: 1.2, attempts: 60 },
  });
  world = await createWorld({
    STRIPE_SECRET_KEY: stripe.stand.apiKey,
    STRIPE_WEBHOOK_SECRET: secret,
    STRIPE_STAND_IN: stripe.stand.url,
    PAYMENT_RETURN_URLS: returnUrl,
    IDENTITY_WORKER: 'apart',
  });
  port = String(await freePort());
  service = await start();
  stripe.stand.deliverTo(`${service.url}/payment/webhooks/stripe`, { secret });
  await sql(`INSERT INTO identity."Plan" VALUES ('basic', 'Basic', 32)`);
  await sql(
    `INSERT INTO identity."PlanPrice" (provider, price_ref, plan_id, interval, amount, currency, offered)
     VALUES ('stripe', $1, 'basic', 'month', 499, 'eur', true)`,
    [stripe.prices.basic],
  );
  ({ customer, charge } = await subscribe());
}, 300_000);
afterAll(async () => {
  await world.stop();
  await stripe.stand.close();
});
afterEach(() => stripe.stand.clearFaults());

/** `npm run worker`, as an operator runs it beside processes that serve the API alone. */
async function startWorker() {
  const metricsPort = String(await freePort());
  const child = spawn(process.execPath, ['dev/run.mjs', 'worker'], {
    env: { ...process.env, ...world.env, METRICS_PORT: metricsPort },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
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

async function subscribe() {
  const { uid } = world.firebase.createAccount({ email: 'ada@example.com', emailVerified: false });
  const response = await fetch(`${service.url}/payment/checkout`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await world.firebase.mintIdToken(uid)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ planId: 'basic', interval: 'month', successUrl: returnUrl, cancelUrl: returnUrl }),
  });
  const { url } = (await response.json()) as { url: string };
  stripe.stand.pay(/cs_\w+/.exec(url)?.[0] ?? '');
  await settled();
  const [row] = await sql<{ customer: string }>(`SELECT stripe_customer_id AS customer FROM identity."User"`);
  const paid = (await stripe.stripe.charges.list({ customer: row?.customer ?? '' })).data[0];
  if (paid === undefined) throw new Error('nothing was paid');
  return { customer: row?.customer ?? '', charge: paid };
}

const pending = () => sql(`SELECT lookup FROM identity."WebhookEvent" WHERE state = 'pending'`);

/** Resolves when all that Stripe told was dealt with: minutes after a crash, never the hours that a lock of jobs lasts. */
async function settled(): Promise<void> {
  await stripe.stand.deliveriesSettled();
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

/** Holds what a step needs, so that the service stands still there until it is killed. */
async function killedAt(lock: string, work: () => Promise<unknown>): Promise<void> {
  const client = new pg.Client(world.services.ownerUrl);
  await client.connect();
  await client.query(`BEGIN; ${lock}`);
  await work();
  const blocked = () =>
    sql(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'identity%'`);
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
    stripe.stand.inject({ kind: 'hang' }, { on: /GET \/v1\/charges/ });
    await refund();
    await expect.poll(() => stripe.stand.requestsHeld(), { timeout: 60_000 }).toBeGreaterThan(0);
    await service.kill();
    stripe.stand.clearFaults();
    service = await start();
    await settled();
    await expectTruth();
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
    await stripe.stand.deliveriesSettled();
    expect(await pending()).not.toEqual([]);
    const worker = await startWorker();
    await settled();
    await expectTruth();
    expect(await worker.stop()).toBe(0);
  });
});
