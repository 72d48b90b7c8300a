import { register } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { startPayments, type Subscriber, type TestPayments } from '../support/payments.js';
import { runMaintenanceJob } from '../support/maintenance.js';
import { IdentityMaintenance } from '../../src/prisma/identity/index.js';
import { InboxService } from '../../src/payment/webhooks/inbox.service.js';
import { InboxStore } from '../../src/payment/webhooks/inbox.store.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());
afterEach(() => {
  payments.stripe.fake.clearFaults();
  payments.apple.clearFaults();
});

const inbox = () => payments.service.app.get(InboxService, { strict: false });
const repair = (customer: string) =>
  payments.service.app.get(InboxStore, { strict: false }).enqueueRepair({ provider: 'stripe', objectRef: customer });
const failedJobs = () =>
  payments.sql<{ attempts: number; last_error: string }>(
    `SELECT attempts, last_error FROM identity_jobs.jobs WHERE attempts > 0 AND last_error IS NOT NULL`,
  );
const runJobsNow = () => payments.sql(`UPDATE identity_jobs._private_jobs SET run_at = now()`);
const pending = () => payments.sql(`SELECT 1 FROM identity."WebhookEvent" WHERE state = 'pending'`);

describe.each([
  ['down', { kind: 'refuse' }],
  ['answering 503', { kind: 'status', status: 503 }],
  ['answering 429', { kind: 'status', status: 429 }],
] as const)('while Stripe is %s', (_what, fault) => {
  it('stores and acknowledges events, and processes them when Stripe is back', async () => {
    const user = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(user.customer);
    await payments.stripe.stripe.refunds.create({ charge });
    payments.stripe.fake.inject(fault);
    await payments.stripe.fake.deliveriesSettled();
    await expect.poll(failedJobs).not.toEqual([]);
    expect((await pending()).length).toBeGreaterThan(0);
    payments.stripe.fake.clearFaults();
    await runJobsNow();
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: false, state: 'REVOKED' });
  });
});

describe('a failed job', () => {
  it('stores only the name of the error, not its message', async () => {
    const user = await payments.subscribe();
    payments.stripe.fake.inject({ kind: 'status', status: 503 });
    await repair(user.customer);
    const storedErrors = async () =>
      (await failedJobs()).filter(({ attempts }) => attempts < 25).map((job) => job.last_error);
    await expect.poll(storedErrors).toEqual(['ProviderUnavailable']);
    payments.stripe.fake.clearFaults();
    await runJobsNow();
    await payments.settled();
  });
});

describe('an event that cannot be processed', () => {
  it('is dead-lettered, and does not delay other events', async () => {
    const user = await payments.subscribe();
    const insert = `INSERT INTO identity."WebhookEvent" (provider, event_id, type, object_ref, occurred_at, received_at)
      VALUES ('stripe', $1, 'charge.refunded', $2, now(), now())`;
    await payments.sql(insert, ['evt_poison', 'ch_of_nobody']);
    await payments.sql(
      `SELECT identity_jobs.add_job('sync-stripe', '{"objectRef":"ch_of_nobody"}', job_key => 'stripe:ch_of_nobody')`,
    );
    const { id: charge } = await payments.lastCharge(user.customer);
    await payments.stripe.stripe.refunds.create({ charge });
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ state: 'REVOKED' });
    expect(
      await payments.sql(`SELECT state::text, reason FROM identity."WebhookEvent" WHERE event_id = 'evt_poison'`),
    ).toEqual([{ state: 'dead_lettered', reason: 'refused_resource_missing' }]);
  });

  it('is dead-lettered if the store always refuses it, and succeeds after a retry once the store accepts it', async () => {
    const [poisoned, other] = [await payments.subscribe(), await payments.subscribe()];
    const table = 'ALTER TABLE identity."PaymentHistory"';
    await payments.sql(`${table} ADD CONSTRAINT poison CHECK (amount <> 77) NOT VALID`);
    const refund = async ({ customer }: Subscriber, amount?: number) =>
      payments.stripe.stripe.refunds.create({ charge: (await payments.lastCharge(customer)).id, amount });
    await refund(poisoned, 77);
    await payments.stripe.fake.deliveriesSettled();
    const key = `stripe:${poisoned.customer}`;
    const attempts = async () =>
      (await payments.sql<{ n: number }>('SELECT attempts AS n FROM identity_jobs.jobs WHERE key = $1', [key]))[0]?.n;
    await expect.poll(attempts).toBeGreaterThan(0);
    await refund(other);
    await expect.poll(async () => (await payments.report(other)).state).toBe('REVOKED');
    const events = () =>
      payments.sql(
        `SELECT DISTINCT state::text, reason FROM identity."WebhookEvent" WHERE object_ref = $1 AND state <> 'done'`,
        [poisoned.customer],
      );
    expect(await events()).toEqual([{ state: 'pending', reason: null }]);
    // As after the seventh attempt: the eighth is the last.
    const lastAttempt = `UPDATE identity_jobs._private_jobs SET attempts = 7, run_at = now()
       WHERE key = $1 AND locked_at IS NULL RETURNING 1`;
    await expect.poll(() => payments.sql(lastAttempt, [key])).toHaveLength(1);
    await expect.poll(events).toEqual([{ state: 'dead_lettered', reason: 'unwritable' }]);
    expect(await register.getSingleMetricAsString('payment_fetches_dead_lettered_total')).toMatch(
      /provider="stripe",reason="unwritable"\} 1$/m,
    );
    expect(await inbox().list('dead_lettered', 10)).toContainEqual(
      expect.objectContaining({ objectRef: poisoned.customer, reason: 'unwritable' }),
    );
    await payments.sql(`${table} DROP CONSTRAINT poison`);
    await inbox().retry(poisoned.customer);
    await payments.settled();
    expect((await payments.history(poisoned)).map(({ amount }) => amount)).toContain(77);
  });

  it('is dead-lettered for an unknown price, and succeeds after a retry once the price is mapped', async () => {
    const price = await payments.stripe.stripe.prices.create({
      currency: 'eur',
      unit_amount: 1234,
      recurring: { interval: 'month' },
      product_data: { name: 'Unmapped' },
    });
    const user = await payments.subscribe();
    await payments.report(user);
    const [item] = (await payments.stripe.stripe.subscriptions.retrieve(user.subscription)).items.data;
    await payments.stripe.stripe.subscriptions.update(user.subscription, {
      items: [{ id: item?.id ?? '', price: price.id }],
    });
    await payments.settled();
    // A user who has paid keeps their plan.
    expect(await payments.report(user)).toMatchObject({ active: true, plan: { id: 'basic' } });
    const reasons = () =>
      payments.sql(
        `SELECT DISTINCT reason FROM identity."WebhookEvent" WHERE object_ref = $1 AND state = 'dead_lettered'`,
        [user.customer],
      );
    expect(await reasons()).toEqual([{ reason: 'unknown_price' }]);
    await payments.sql(
      `INSERT INTO identity."PlanPrice" (provider, price_ref, plan_id, interval, offered) VALUES ('stripe', $1, 'plus', 'month', false)`,
      [price.id],
    );
    expect(await inbox().retry(user.customer)).toBeGreaterThan(0);
    await payments.settled();
    expect(await reasons()).toEqual([]);
    expect(await payments.report(user)).toMatchObject({ active: true, plan: { id: 'plus' } });
  });
});

describe('a fetch that failed often', () => {
  it('is retried within minutes', async () => {
    const user = await payments.subscribe();
    payments.stripe.fake.inject({ kind: 'status', status: 503 });
    await repair(user.customer);
    const key = `stripe:${user.customer}`;
    const waits = () =>
      payments.sql<{ seconds: number }>(
        `SELECT extract(epoch FROM run_at - now())::int AS seconds FROM identity_jobs._private_jobs
         WHERE key = $1 AND locked_at IS NULL AND attempts > 0`,
        [key],
      );
    await expect.poll(waits).toHaveLength(1);
    await payments.sql(`UPDATE identity_jobs._private_jobs SET run_at = now() + interval '6 hours' WHERE key = $1`, [
      key,
    ]);
    await runMaintenanceJob(payments.service.app.get(IdentityMaintenance, { strict: false }), 'payment-inbox-requeue');
    const [wait] = await waits();
    expect(wait?.seconds).toBeLessThanOrEqual(300);
    payments.stripe.fake.clearFaults();
    await runJobsNow();
    await payments.settled();
  });
});

describe('a pending event that has lost its job', () => {
  it('gets a new one', async () => {
    const user = await payments.subscribe();
    await payments.sql(
      `INSERT INTO identity."WebhookEvent" (provider, event_id, type, object_ref, occurred_at, received_at)
       VALUES ('stripe', 'evt_lost', 'invoice.paid', $1, now(), $2)`,
      [user.customer, new Date(payments.clock.now().getTime() - 120_000)],
    );
    await runMaintenanceJob(payments.service.app.get(IdentityMaintenance, { strict: false }), 'payment-inbox-requeue');
    await payments.settled();
    expect(await payments.sql(`SELECT state::text FROM identity."WebhookEvent" WHERE event_id = 'evt_lost'`)).toEqual([
      { state: 'done' },
    ]);
  });
});

describe.each([
  ['down', { kind: 'refuse' }],
  ['answering 503', { kind: 'status', status: 503 }],
  ['answering 429', { kind: 'status', status: 429 }],
] as const)('while the App Store is %s', (_what, fault) => {
  it('stores notifications, and processes them when the App Store is back', async () => {
    const user = await payments.signIn();
    const token = (await (await payments.get('/payment/apple/account', user.headers)).json()) as {
      appAccountToken: string;
    };
    payments.apple.inject(fault);
    payments.apple.buy({ product: appleProducts.plus.id, ...token });
    await payments.apple.deliveriesSettled();
    await expect.poll(failedJobs).not.toEqual([]);
    payments.apple.clearFaults();
    await runJobsNow();
    await payments.settled();
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
  });
});
