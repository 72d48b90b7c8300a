import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dayMs, startPayments, type TestPayments } from '../support/payments.js';
import { MetricsServer } from '../../src/platform/health/index.js';
import { InboxService } from '../../src/payment/webhooks/inbox.service.js';
import { ReconciliationService } from '../../src/payment/reconciliation/reconciliation.service.js';

/** The metrics of payments, as Prometheus reads them. */

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

/** @param name with its labels, as in Prometheus's text format. @returns 0 if there is no such series */
async function metric(name: string): Promise<number> {
  const port = payments.service.app.get(MetricsServer, { strict: false }).port();
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

/** How much a metric increases while `work` runs. */
async function increase(name: string, work: () => Promise<unknown>): Promise<number> {
  const before = await metric(name);
  await work();
  return (await metric(name)) - before;
}

describe('the payment metrics', () => {
  it('count webhooks by result, and measure how long events take', async () => {
    const forged = { 'stripe-signature': `t=${Math.floor(payments.clock.now().getTime() / 1000)},v1=00` };
    const refused = () => payments.post('/payment/webhooks/stripe', forged, {});
    expect(
      await increase('payment_webhooks_total{provider="stripe",result="webhook_signature_invalid"}', refused),
    ).toBe(1);
    const count = async () =>
      (await payments.sql<{ n: number }>(`SELECT count(*)::int AS n FROM identity."WebhookEvent"`))[0]?.n ?? 0;
    const lagged = await increase('payment_event_lag_seconds_count{provider="stripe"}', () => payments.subscribe());
    // An event is acknowledged before its job runs, and settled before it is counted.
    expect(lagged).toBeGreaterThan(0);
    expect(lagged).toBeLessThanOrEqual(await count());
    expect(await metric('payment_webhooks_total{provider="stripe",result="kept"}')).toBe(await count());
  });

  it('count an unknown status, which neither gives nor takes access and settles once it is known', async () => {
    const user = await payments.subscribe();
    const { until } = await payments.report(user);
    const fake = payments.stripe.fake;
    const counted = await increase(
      'payment_fetches_dead_lettered_total{provider="stripe",reason="unknown_status"}',
      async () => {
        // The plan changes too, to a more expensive one that the user may not have paid for.
        fake.setDeliveryFaults({ drop: 1 });
        const { subscriptions } = payments.stripe.stripe;
        const [item] = (await subscriptions.retrieve(user.subscription)).items.data;
        const items = [{ id: item?.id ?? '', price: payments.stripe.prices.plus }];
        await subscriptions.update(user.subscription, { items, proration_behavior: 'none' });
        fake.setDeliveryFaults({});
        fake.setStatus(user.subscription, 'dormant');
        await payments.settled();
      },
    );
    expect(counted).toBeGreaterThan(0);
    const deadLettered = () =>
      payments.sql(
        `SELECT DISTINCT reason FROM identity."WebhookEvent" WHERE object_ref = $1 AND state = 'dead_lettered'`,
        [user.customer],
      );
    expect(await deadLettered()).toEqual([{ reason: 'unknown_status' }]);
    expect(await payments.report(user)).toMatchObject({
      active: true,
      state: 'ACTIVE',
      until,
      plan: { id: 'basic' },
    });
    // The gauge is updated every 15 seconds.
    await expect.poll(() => metric('payment_events{state="dead_lettered"}'), { timeout: 60_000 }).toBeGreaterThan(0);
    payments.clock.advance(32 * dayMs);
    expect(await payments.report(user)).toMatchObject({ active: false, state: 'EXPIRED' });
    fake.setStatus(user.subscription, 'active');
    await payments.service.app.get(InboxService, { strict: false }).retry();
    await payments.settled();
    expect(await deadLettered()).toEqual([]);
  });

  it('count the repairs of the reconciliation', async () => {
    const user = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(user.customer);
    payments.stripe.fake.setDeliveryFaults({ drop: 1 });
    await payments.stripe.stripe.refunds.create({ charge });
    payments.stripe.fake.setDeliveryFaults({});
    const repairs = 'payment_reconciliation_repairs_total{provider="stripe"}';
    const before = await metric(repairs);
    await payments.service.app.get(ReconciliationService, { strict: false }).run();
    await expect.poll(() => metric(repairs)).toBe(before + 1);
    expect(await payments.report(user)).toMatchObject({ state: 'REVOKED' });
  });
});
