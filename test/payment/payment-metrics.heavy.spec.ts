import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dayMs, startPayments, type TestPayments } from '../support/payments.js';
import { MetricsServer } from '../../src/platform/health/index.js';
import { InboxService } from '../../src/payment/webhooks/inbox.service.js';
import { ReconciliationService } from '../../src/payment/reconciliation/reconciliation.service.js';

/** What operators are told of payments, as Prometheus reads it. */

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

/** @param name with its labels, as in the text that Prometheus reads. @returns 0 for what was never counted */
async function figure(name: string): Promise<number> {
  const port = payments.service.app.get(MetricsServer, { strict: false }).port();
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

/** How much a figure grows while something happens. */
async function growth(name: string, work: () => Promise<unknown>): Promise<number> {
  const before = await figure(name);
  await work();
  return (await figure(name)) - before;
}

describe('metrics of payments', () => {
  it('count webhooks by what became of them, and say how long news takes', async () => {
    const forged = { 'stripe-signature': `t=${Math.floor(payments.clock.now().getTime() / 1000)},v1=00` };
    const refused = () => payments.post('/payment/webhooks/stripe', forged, {});
    expect(await growth('payment_webhooks_total{provider="stripe",result="webhook_signature_invalid"}', refused)).toBe(
      1,
    );
    const count = async () =>
      (await payments.sql<{ n: number }>(`SELECT count(*)::int AS n FROM identity."WebhookEvent"`))[0]?.n ?? 0;
    const lagged = await growth('payment_event_lag_seconds_count{provider="stripe"}', () => payments.subscribe());
    // An event is acknowledged before it is dealt with, and settled before it is counted.
    expect(lagged).toBeGreaterThan(0);
    expect(lagged).toBeLessThanOrEqual(await count());
    expect(await figure('payment_webhooks_total{provider="stripe",result="kept"}')).toBe(await count());
  });

  it('tell of a status that nobody here knows: it grants nothing new, takes nothing paid, and is done once it is known', async () => {
    const person = await payments.subscribe();
    const { until } = await payments.report(person);
    const fake = payments.stripe.fake;
    const counted = await growth(
      'payment_fetches_dead_lettered_total{provider="stripe",reason="unknown_status"}',
      async () => {
        // Together with a dearer plan, which nobody here knows to be paid.
        fake.setDeliveryFaults({ drop: 1 });
        const { subscriptions } = payments.stripe.stripe;
        const [item] = (await subscriptions.retrieve(person.subscription)).items.data;
        const items = [{ id: item?.id ?? '', price: payments.stripe.prices.plus }];
        await subscriptions.update(person.subscription, { items, proration_behavior: 'none' });
        fake.setDeliveryFaults({});
        fake.setStatus(person.subscription, 'dormant');
        await payments.settled();
      },
    );
    expect(counted).toBeGreaterThan(0);
    const deadLettered = () =>
      payments.sql(
        `SELECT DISTINCT reason FROM identity."WebhookEvent" WHERE object_ref = $1 AND state = 'dead_lettered'`,
        [person.customer],
      );
    expect(await deadLettered()).toEqual([{ reason: 'unknown_status' }]);
    expect(await payments.report(person)).toMatchObject({
      active: true,
      state: 'ACTIVE',
      until,
      plan: { id: 'basic' },
    });
    // Looked at every quarter of a minute.
    await expect.poll(() => figure('payment_events{state="dead_lettered"}'), { timeout: 60_000 }).toBeGreaterThan(0);
    payments.clock.advance(32 * dayMs);
    expect(await payments.report(person)).toMatchObject({ active: false, state: 'EXPIRED' });
    fake.setStatus(person.subscription, 'active');
    await payments.service.app.get(InboxService, { strict: false }).retry();
    await payments.settled();
    expect(await deadLettered()).toEqual([]);
  });

  it('count what the nightly comparison had to repair', async () => {
    const person = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(person.customer);
    payments.stripe.fake.setDeliveryFaults({ drop: 1 });
    await payments.stripe.stripe.refunds.create({ charge });
    payments.stripe.fake.setDeliveryFaults({});
    const repairs = 'payment_reconciliation_repairs_total{provider="stripe"}';
    const before = await figure(repairs);
    await payments.service.app.get(ReconciliationService, { strict: false }).run();
    await expect.poll(() => figure(repairs)).toBe(before + 1);
    expect(await payments.report(person)).toMatchObject({ state: 'REVOKED' });
  });
});
