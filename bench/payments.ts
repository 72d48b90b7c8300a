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
import { type Tell } from './rounds.js';
import { startProgram } from './server-process.js';

export interface PaymentsOptions {
  readonly customers: number;
  /** Events of the burst. */
  readonly burst: number;
  readonly measureMs: number;
  /** Requests under way at once. */
  readonly connections: number;
  /** Of the service. */
  readonly env: Readonly<Record<string, string>>;
  /** An existing folder; the stack makes one of its own in it. */
  readonly dataDir: string;
  readonly tell: Tell;
}

/** What Stripe tells when a subscription renews, in the order in which it happens. */
const renewal = [
  'invoice.created',
  'customer.subscription.updated',
  'invoice.finalized',
  'charge.succeeded',
  'invoice.paid',
];

/** While more events wait than this, none is added: what comes in is then what is dealt with. */
const maxWaiting = 500;

const webhookSecret = 'whsec_ofTheBench';
const path = '/payment/webhooks/stripe';

/**
 * Events of Stripe, from the webhook to what they mean being written: verified and kept, then looked up at the
 * fake Stripe (on the same machine) and compared with what is written. First as many as the service deals with in the long
 * run, then a burst, and how long it takes until nothing waits.
 */
export async function measurePayments(options: PaymentsOptions): Promise<PaymentsMeasured> {
  const { customers, tell } = options;
  const account = await startProgram('stripe-account', { customers });
  try {
    tell(`${customers} customers at Stripe, each with a paid subscription`);
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
      const ids = await makePersons(owner, stripe);
      return await measure(stack, owner, ids, account.pid, options);
    } finally {
      await owner.end();
      await stack.stop();
    }
  } finally {
    await account.stop();
  }
}

/** As the fake makes it of its seed. */
const apiKey = 'sk_test_fakebench';

/** An account here for every customer there. */
async function makePersons(owner: pg.Client, stripe: Stripe): Promise<string[]> {
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
  { burst, measureMs, connections, tell }: PaymentsOptions,
): Promise<PaymentsMeasured> {
  const machine = await describeMachine(stack.services.ownerUrl, stack.services.redisUrl);
  const cpu = metersOf(machine).of(stack.service.pid, { 'Stripe (fake)': fakePid });
  const stripe = new Pool(stack.service.url, { connections, pipelining: 1 });
  const events = eventsOf(customers);
  try {
    // Everybody's subscription is written for the first time before anything counts.
    await runBurst(stripe, owner, events, { count: customers.length * renewal.length, connections });
    tell('every customer was looked up once');
    const sustained = await sustain(stripe, owner, events, { cpu, measureMs, connections });
    tell(`sustained  ${sustained.eventsPerSecond.toFixed(0)} events/s`);
    await drained(owner);
    const measured = await runBurst(stripe, owner, events, { count: burst, connections });
    tell(
      `burst of ${burst}: kept after ${measured.keptMs.toFixed(0)} ms, done after ${measured.drainedMs.toFixed(0)} ms`,
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

/** Sends whenever fewer than `maxWaiting` wait, and counts what was dealt with in a time. */
async function sustain(
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
    lookupsPerSecond: (after.numbers - before.numbers - (after.kept - before.kept)) / seconds,
    cpuMs: Object.fromEntries(cpuMs) as Record<string, number>,
  };
}

/** Sends as fast as they are taken. */
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
  const keptMs = performance.now() - begin;
  await drained(owner);
  const drainedMs = performance.now() - begin;
  const after = await countsOf(owner);
  if (after.done - before.done !== count)
    throw new Error(`${count} events were sent, ${after.done - before.done} dealt with`);
  return { events: count, keptMs, drainedMs, fetches: after.numbers - before.numbers - count };
}

async function drained(owner: pg.Client): Promise<void> {
  while ((await waitingOf(owner)) > 0) await setTimeout(10);
}

type Events = Generator<Event, never>;

interface Event {
  readonly body: string;
  readonly signature: string;
}

/** Renewals of one customer after another, each event signed as it is sent and as large as Stripe's are. */
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
  if (answer.statusCode !== 200) throw new Error(`An event was answered with ${answer.statusCode}.`);
}

async function waitingOf(owner: pg.Client): Promise<number> {
  const { rows } = await owner.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM identity."WebhookEvent" WHERE state <> 'done'`,
  );
  return rows[0]?.n ?? 0;
}

interface Counts {
  readonly kept: number;
  readonly done: number;
  /** Taken from the one sequence: by every event that came, and by every look-up as its ticket. */
  readonly numbers: number;
}

async function countsOf(owner: pg.Client): Promise<Counts> {
  const { rows } = await owner.query<Counts>(
    `SELECT count(*)::int AS kept, count(*) FILTER (WHERE state = 'done')::int AS done,
       (SELECT last_value FROM identity."WebhookEvent_id_seq")::int AS numbers
     FROM identity."WebhookEvent"`,
  );
  return rows[0] ?? { kept: 0, done: 0, numbers: 0 };
}
