import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { patiently } from '../support/patiently.js';
import { startPayments, type Subscriber, type TestPayments } from '../support/payments.js';
import { runMaintenanceJob } from '../support/maintenance.js';
import { IdentityMaintenance } from '../../src/prisma/identity/index.js';

let payments: TestPayments;
let user: Subscriber;
beforeAll(async () => {
  payments = await startPayments();
  user = await payments.subscribe();
});
afterAll(() => payments.stop());

let before: number;
const countEvents = async () => {
  const [row] = await payments.sql<{ n: number }>(`SELECT count(*)::int AS n FROM identity."WebhookEvent"`);
  return row?.n ?? 0;
};
beforeEach(async () => {
  before = await countEvents();
});

const event = (changes: object = {}, object: object = {}) => ({
  id: `evt_${randomUUID().replaceAll('-', '')}`,
  object: 'event',
  type: 'customer.subscription.updated',
  created: Math.floor(payments.clock.now().getTime() / 1000),
  livemode: false,
  data: { object: { id: 'sub_x', object: 'subscription', customer: user.customer, ...object } },
  ...changes,
});

interface Delivery {
  readonly secret?: string;
  /** When it claims to have been signed, in seconds from now. */
  readonly at?: number;
  readonly signature?: string | null;
  /** Body to send instead of the signed one. */
  readonly sent?: string;
}

async function deliver(body: object | string, { secret = 'whsec_ofTests', at = 0, signature, sent }: Delivery = {}) {
  const payload = typeof body === 'string' ? body : JSON.stringify(body);
  const timestamp = Math.floor(payments.clock.now().getTime() / 1000) + at;
  const header =
    signature === undefined ? Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp }) : signature;
  const request = {
    method: 'POST',
    headers: {
      'content-type': 'application/json; charset=utf-8',
      ...(header === null ? {} : { 'stripe-signature': header }),
    },
    body: sent ?? payload,
  };
  const response = await patiently(() => fetch(`${payments.service.url}/payment/webhooks/stripe`, request));
  const answer = (await response.json()) as { code?: string };
  return [response.status, answer.code];
}

const accepted = [200, undefined];
const refused = [400, 'webhook_signature_invalid'];

describe('POST /payment/webhooks/stripe', () => {
  it('stores and acknowledges an event', async () => {
    expect(await deliver(event())).toEqual(accepted);
    expect(await countEvents()).toBe(before + 1);
  });

  it('stores only which object to fetch, not the content of the event', async () => {
    await deliver(event({}, { secret_of_a_person: 'ada@example.com' }));
    const rows = await payments.sql(`SELECT e::text AS row FROM identity."WebhookEvent" e`);
    expect(JSON.stringify(rows)).not.toContain('ada@example.com');
    const jobs = await payments.sql(`SELECT j::text AS row FROM identity_jobs._private_jobs j`);
    expect(JSON.stringify(jobs)).not.toContain('ada@example.com');
  });

  it('accepts an event of one megabyte', async () => {
    expect(await deliver(event({}, { filler: 'x'.repeat(1024 * 1024) }))).toEqual(accepted);
  });

  it('refuses an event of more than two megabytes', async () => {
    expect(await deliver(event({}, { filler: 'x'.repeat(2 * 1024 * 1024) }))).toEqual([413, 'body_too_large']);
  });

  it('accepts the secret from before the last rotation', async () => {
    const rotated = await startPayments({
      STRIPE_WEBHOOK_SECRET: 'whsec_new',
      STRIPE_WEBHOOK_SECRET_PREVIOUS: 'whsec_ofTests',
    });
    try {
      await rotated.subscribe();
      const results = rotated.stripe.fake.deliveryAttempts.map(({ status }) => status);
      expect(new Set(results)).toEqual(new Set([200]));
    } finally {
      await rotated.stop();
    }
  });
});

describe('POST /payment/webhooks/stripe with invalid data', () => {
  it.each<[string, () => Promise<unknown[]>]>([
    ['no signature', () => deliver(event(), { signature: null })],
    ['an empty signature', () => deliver(event(), { signature: '' })],
    ['a malformed signature', () => deliver(event(), { signature: 'x'.repeat(5000) })],
    ['a signature by another secret', () => deliver(event(), { secret: 'whsec_forged' })],
    [
      'a signature without its scheme',
      () => deliver(event(), { signature: `t=${Math.floor(payments.clock.now().getTime() / 1000)},v0=00` }),
    ],
    ...['v1=', 'v1', 'v1=,v1=00', `v1=${'é'.repeat(64)}`, `v1=${'0'.repeat(64)}`].map(
      (scheme): [string, () => Promise<unknown[]>] => [
        `a signature that is ${scheme.slice(0, 12)}`,
        () => deliver(event(), { signature: `t=${Math.floor(payments.clock.now().getTime() / 1000)},${scheme}` }),
      ],
    ),
    ['an altered body', () => deliver(event(), { sent: JSON.stringify(event()) })],
    [
      'an additional byte',
      () => {
        const one = event();
        return deliver(one, { sent: `${JSON.stringify(one)} ` });
      },
    ],
    ['a replay from six minutes ago', () => deliver(event(), { at: -360 })],
    ['a date two minutes ahead', () => deliver(event(), { at: 120 })],
    ['a date a year ahead', () => deliver(event(), { at: 31_536_000 })],
    ['a signed body that is not JSON', () => deliver('not json at all')],
    ['a signed body that is no event', () => deliver({ hello: 'world' })],
    ['a signed body that is null', () => deliver('null')],
    ['an event of the v2 API', () => deliver({ ...event(), object: 'v2.core.event', data: {} })],
    ['an empty body', () => deliver('', { signature: 't=1,v1=0', sent: '' })],
  ])('refuses %s, and stores nothing', async (_what, send) => {
    const [status, code] = await send();
    expect([400, 'webhook_signature_invalid', 'malformed_body']).toEqual(expect.arrayContaining([status, code]));
    expect(await countEvents()).toBe(before);
  });

  it('refuses two dates in one signature', async () => {
    const payload = JSON.stringify(event());
    const now = Math.floor(payments.clock.now().getTime() / 1000);
    const future = Stripe.webhooks.generateTestHeaderString({ payload, secret: 'whsec_ofTests', timestamp: now + 600 });
    expect(await deliver(payload, { signature: `t=${now},${future}` })).toEqual(refused);
  });

  it('refuses an event of live mode where test mode is set up', async () => {
    expect(await deliver(event({ livemode: true }))).toEqual([400, 'webhook_wrong_environment']);
    expect(await countEvents()).toBe(before);
  });

  it('refuses a body whose content type is not JSON', async () => {
    const response = await fetch(`${payments.service.url}/payment/webhooks/stripe`, { method: 'POST', body: 'x' });
    expect(response.status).toBe(415);
  });
});

describe('POST /payment/webhooks/stripe with an event that is not about payments', () => {
  it.each(['product.created', 'customer.updated', 'payment_method.attached', 'radar.early_fraud_warning.created'])(
    'acknowledges %s without storing it',
    async (type) => {
      expect(await deliver(event({ type }))).toEqual(accepted);
      expect(await countEvents()).toBe(before);
    },
  );
});

describe('an event that is delivered fifty times at once', () => {
  it('is stored once, and leads to one recorded payment', async () => {
    const { id: charge } = await payments.lastCharge(user.customer);
    payments.stripe.fake.holdDeliveries();
    await payments.stripe.stripe.refunds.create({ charge, amount: 50 });
    payments.stripe.fake.releaseDeliveries(() => []);
    const one = event();
    const answers = await Promise.all(Array.from({ length: 50 }, () => deliver(one)));
    expect(answers).toEqual(Array.from({ length: 50 }, () => accepted));
    await payments.settled();
    expect(await countEvents()).toBe(before + 1);
    const refunds = (await payments.history(user)).filter(({ kind }) => kind === 'refund');
    expect(refunds).toMatchObject([{ amount: 50 }]);
    expect(await deliver(one)).toEqual(accepted);
    expect(await countEvents()).toBe(before + 1);
  });
});

describe('an event of a customer without an account', () => {
  const stateOf = async (objectRef: string) => {
    const rows = await payments.sql(`SELECT state::text, reason FROM identity."WebhookEvent" WHERE object_ref = $1`, [
      objectRef,
    ]);
    return rows;
  };

  it('is dead-lettered, and settled once an account has the customer', async () => {
    const stranger = await payments.stripe.customer();
    expect(await deliver(event({}, { customer: stranger }))).toEqual(accepted);
    await payments.settled();
    expect(await stateOf(stranger)).toEqual([{ state: 'dead_lettered', reason: 'unknown_customer' }]);
    const someone = await payments.signIn();
    await payments.report(someone);
    await payments.sql(`UPDATE identity."User" SET stripe_customer_id = $1 WHERE firebase_uid = $2`, [
      stranger,
      someone.uid,
    ]);
    await deliver(event({}, { customer: stranger }));
    await payments.settled();
    expect(new Set((await stateOf(stranger)).map(({ state }) => state))).toEqual(new Set(['done']));
  });

  it('restores nothing if the customer was deleted here and at Stripe', async () => {
    const gone = await payments.subscribe();
    payments.stripe.fake.holdDeliveries();
    await payments.stripe.stripe.customers.del(gone.customer);
    await payments.sql(`DELETE FROM identity."User" WHERE firebase_uid = $1`, [gone.uid]);
    payments.stripe.fake.releaseDeliveries();
    await payments.settled();
    expect(new Set((await stateOf(gone.customer)).map(({ state }) => state))).toEqual(new Set(['done']));
    expect(
      await payments.sql(`SELECT 1 FROM identity."Subscription" WHERE provider_ref = $1`, [
        `stripe:${gone.subscription}`,
      ]),
    ).toEqual([]);
    const orphans = await payments.sql<{ user_id: null }>(
      `SELECT user_id FROM identity."PaymentHistory" WHERE user_id IS NULL`,
    );
    expect(orphans).toHaveLength(1);
  });
});

describe('a job of the task sync-stripe', () => {
  it('runs with the payload that version 0.1 queued', async () => {
    const countRefunds = async () => (await payments.history(user)).filter(({ kind }) => kind === 'refund').length;
    const refundsBefore = await countRefunds();
    const { id: charge } = await payments.lastCharge(user.customer);
    payments.stripe.fake.setDeliveryFaults({ drop: 1 });
    await payments.stripe.stripe.refunds.create({ charge, amount: 25 });
    await payments.stripe.fake.deliveriesSettled();
    payments.stripe.fake.setDeliveryFaults({});
    await payments.sql(`SELECT identity_jobs.add_job('sync-stripe', json_build_object('lookup', $1::text))`, [
      user.customer,
    ]);
    await expect.poll(countRefunds).toBe(refundsBefore + 1);
  });
});

describe('the maintenance job payment-inbox-purge', () => {
  it('deletes settled events after a month and unclaimed ones after half a year, and no others', async () => {
    const add = (days: number, state: string, reason: string | null) =>
      payments.sql(
        `INSERT INTO identity."WebhookEvent" (provider, event_id, type, object_ref, occurred_at, received_at, state, reason)
       VALUES ('apple', $1, 'purge', 'purge', $2, $2, $3, $4)`,
        [randomUUID(), new Date(payments.clock.now().getTime() - days * 86_400_000), state, reason],
      );
    for (const days of [29, 31, 179, 181]) {
      await add(days, 'done', null);
      await add(days, 'dead_lettered', 'unknown_account');
      await add(days, 'dead_lettered', 'unknown_price');
    }
    await runMaintenanceJob(payments.service.app.get(IdentityMaintenance, { strict: false }), 'payment-inbox-purge');
    const left = await payments.sql<{ what: string }>(
      `SELECT coalesce(reason, state::text) AS what FROM identity."WebhookEvent" WHERE type = 'purge' ORDER BY 1`,
    );
    const times = (what: string, count: number) => Array.from({ length: count }, () => what);
    expect(left.map(({ what }) => what)).toEqual([
      'done',
      ...times('unknown_account', 3),
      ...times('unknown_price', 4),
    ]);
  });
});
