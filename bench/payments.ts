import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import Stripe from 'stripe';
import { Pool } from 'undici';
import { type Stack, startStack } from '../dev/stack/stack.js';
import { describeMachine } from './machine.js';
import { metersOf } from './meters.js';
import { type PaymentsMeasured } from './results.js';
import { type Log } from './rounds.js';
import { startProgram } from './server-process.js';

export interface PaymentsOptions {
  readonly customers: number;
  /** Number of events in the burst. */
  readonly burst: number;
  readonly measureMs: number;
  /** Concurrent requests. */
  readonly connections: number;
  /** Settings of the service. */
  readonly env: Readonly<Record<string, string>>;
  /** An existing folder. The stack creates its own folder in it. */
  readonly dataDir: string;
  readonly log: Log;
}

/** Stripe's events of a renewal, in the order in which they happen. */
const renewal = [
  'invoice.created',
  'customer.subscription.updated',
  'invoice.finalized',
  'charge.succeeded',
  'invoice.paid',
];

/** While more events wait, no event is sent, so that the service receives as many events as it processes. */
const maxWaiting = 500;

const webhookSecret = 'whsec_ofTheBench';
const path = '/payment/webhooks/stripe';

/**
 * Measures the processing of Stripe's events, from the webhook to the updated subscription: the service verifies and stores
 * them, fetches the objects from the fake Stripe (on the same machine) and updates its database. First measures the sustained
 * rate, then how long a burst takes until no event waits.
 */
export async function measurePayments(options: PaymentsOptions): Promise<PaymentsMeasured> {
  const { customers, log } = options;
  const account = await startProgram('stripe-account', { customers });
  try {
    log(`${customers} customers at Stripe, each with a paid subscription`);
    const { hostname: host, port } = new URL(account.url);
    const stripe = new Stripe(apiKey, { host, port, protocol: 'http' });
    const stack = await startStack({
      dataDir: join(options.dataDir, 'payments'),
      env: {
        ...options.env,
        STRIPE_SECRET_KEY: apiKey,
        STRIPE_WEBHOOK_SECRET: webhookSecret,
        STRIPE_API_URL: account.url,
        PAYMENT_RETURN_URLS: 'https://vpn.example/',
      },
    });
    const owner = new pg.Client(stack.services.ownerUrl);
    try {
      await owner.connect();
      const ids = await createUsers(owner, stripe);
      return await measure(stack, owner, ids, account.pid, options);
    } finally {
      await owner.end();
      await stack.stop();
    }
  } finally {
    await account.stop();
  }
}

/** The fake derives its key from its seed. */
const apiKey = 'sk_test_fakebench';

/** Creates a user for every customer at Stripe. */
async function createUsers(owner: pg.Client, stripe: Stripe): Promise<string[]> {
  const [price] = (await stripe.prices.list({ limit: 1 })).data;
  const customers = await stripe.customers.list({ limit: 100 }).autoPagingToArray({ limit: 10_000 });
  const ids = customers.map(({ id }) => id);
  await owner.query(`INSERT INTO identity."Plan" (id, name, daily_tokens) VALUES ('bench', 'Bench', 32)`);
  await owner.query(
    `INSERT INTO identity."PlanPrice" (provider, price_ref, plan_id, interval, amount, currency, offered)
     VALUES ('stripe', $1, 'bench', 'month', 499, 'eur', true)`,
    [price?.id],
  );
  await owner.query(
    `INSERT INTO identity."User" (firebase_uid, stripe_customer_id, created_on)
     SELECT id, id, current_date FROM unnest($1::text[]) id`,
    [ids],
  );
  return ids;
}

async function measure(
  stack: Stack,
  owner: pg.Client,
  customers: readonly string[],
  fakePid: number,
  { burst, measureMs, connections, log }: PaymentsOptions,
): Promise<PaymentsMeasured> {
  const machine = await describeMachine(stack.services.ownerUrl, stack.services.redisUrl);
  const cpu = metersOf(machine).of(stack.service.pid, { 'Stripe (fake)': fakePid });
  const stripe = new Pool(stack.service.url, { connections, pipelining: 1 });
  const events = eventsOf(customers);
  try {
    // Not measured: the first burst creates all subscriptions.
    await runBurst(stripe, owner, events, { count: customers.length * renewal.length, connections });
    log('every customer was fetched once');
    const sustained = await measureSustained(stripe, owner, events, { cpu, measureMs, connections });
    log(`sustained  ${sustained.eventsPerSecond.toFixed(0)} events/s`);
    await untilDrained(owner);
    const measured = await runBurst(stripe, owner, events, { count: burst, connections });
    log(
      `burst of ${burst}: stored after ${measured.storedMs.toFixed(0)} ms, done after ${measured.drainedMs.toFixed(0)} ms`,
    );
    return { customers: customers.length, sustained, burst: measured };
  } finally {
    await stripe.close();
  }
}

interface Sustaining {
  readonly cpu: Readonly<Record<string, () => number>>;
  readonly measureMs: number;
  readonly connections: number;
}

/** Sends events while fewer than `maxWaiting` wait, and counts how many are processed in a given time. */
async function measureSustained(
  stripe: Pool,
  owner: pg.Client,
  events: Events,
  { cpu, measureMs, connections }: Sustaining,
): Promise<PaymentsMeasured['sustained']> {
  let waiting = 0;
  let isOver = false;
  const send = async () => {
    while (!isOver) {
      if (waiting < maxWaiting) await deliver(stripe, events.next().value);
      else await setTimeout(5);
    }
  };
  const watch = async () => {
    while (!isOver) {
      waiting = await waitingOf(owner);
      await setTimeout(20);
    }
  };
  const snapshot = async () => {
    const used = Object.entries(cpu).map(([name, seconds]) => [name, seconds()] as const);
    return { ...(await countsOf(owner)), at: performance.now(), cpu: new Map(used) };
  };
  const measure = async () => {
    try {
      await setTimeout(measureMs / 4);
      const before = await snapshot();
      await setTimeout(measureMs);
      return { before, after: await snapshot() };
    } finally {
      isOver = true;
    }
  };
  const [{ before, after }] = await Promise.all([measure(), watch(), ...Array.from({ length: connections }, send)]);
  const seconds = (after.at - before.at) / 1000;
  const count = after.done - before.done;
  const cpuMs = [...after.cpu].map(([name, used]) => [name, ((used - (before.cpu.get(name) ?? NaN)) * 1000) / count]);
  return {
    eventsPerSecond: count / seconds,
    fetchesPerSecond: (after.numbers - before.numbers - (after.stored - before.stored)) / seconds,
    cpuMs: Object.fromEntries(cpuMs) as Record<string, number>,
  };
}

/** Sends events as fast as the service accepts them. */
async function runBurst(
  stripe: Pool,
  owner: pg.Client,
  events: Events,
  { count, connections }: { readonly count: number; readonly connections: number },
): Promise<PaymentsMeasured['burst']> {
  const before = await countsOf(owner);
  const begin = performance.now();
  let left = count;
  const send = async () => {
    while (left > 0) {
      left -= 1;
      await deliver(stripe, events.next().value);
    }
  };
  await Promise.all(Array.from({ length: connections }, send));
  const storedMs = performance.now() - begin;
  await untilDrained(owner);
  const drainedMs = performance.now() - begin;
  const after = await countsOf(owner);
  if (after.done - before.done !== count)
    throw new Error(`${count} events were sent, but ${after.done - before.done} were processed`);
  return { events: count, storedMs, drainedMs, fetches: after.numbers - before.numbers - count };
}

async function untilDrained(owner: pg.Client): Promise<void> {
  while ((await waitingOf(owner)) > 0) await setTimeout(10);
}

type Events = Generator<Event, never>;

interface Event {
  readonly body: string;
  readonly signature: string;
}

/** Yields renewals of one customer after another. Each event is signed when it is sent and as large as Stripe's. */
function* eventsOf(customers: readonly string[]): Events {
  const filler = 'x'.repeat(4_000);
  for (let turn = 0; ; turn += 1) {
    const customer = customers[turn % customers.length];
    for (const type of renewal) {
      const body = JSON.stringify({
        id: `evt_${randomBytes(12).toString('hex')}`,
        object: 'event',
        type,
        created: Math.floor(Date.now() / 1000),
        livemode: false,
        data: { object: { object: type.slice(0, type.lastIndexOf('.')), customer, filler } },
      });
      yield { body, signature: Stripe.webhooks.generateTestHeaderString({ payload: body, secret: webhookSecret }) };
    }
  }
}

async function deliver(stripe: Pool, { body, signature }: Event): Promise<void> {
  const headers = { 'content-type': 'application/json', 'stripe-signature': signature };
  const answer = await stripe.request({ path, method: 'POST', headers, body });
  await answer.body.dump();
  if (answer.statusCode !== 200) throw new Error(`The webhook answered with status ${answer.statusCode}.`);
}

async function waitingOf(owner: pg.Client): Promise<number> {
  const { rows } = await owner.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM identity."WebhookEvent" WHERE state <> 'done'`,
  );
  return rows[0]?.n ?? 0;
}

interface Counts {
  readonly stored: number;
  readonly done: number;
  /** Numbers taken from the shared sequence: one for each received event, and one for each fetch as its version. */
  readonly numbers: number;
}

async function countsOf(owner: pg.Client): Promise<Counts> {
  const { rows } = await owner.query<Counts>(
    `SELECT count(*)::int AS stored, count(*) FILTER (WHERE state = 'done')::int AS done,
       (SELECT last_value FROM identity."WebhookEvent_id_seq")::int AS numbers
     FROM identity."WebhookEvent"`,
  );
  return rows[0] ?? { stored: 0, done: 0, numbers: 0 };
}
