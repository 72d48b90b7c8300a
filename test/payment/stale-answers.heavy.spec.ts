import Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { type SignedIn } from '../support/gatekeeper.js';
import { startPayments, type Subscriber, type TestPayments, webhookSecret } from '../support/payments.js';
import { ProviderFetchesService } from '../../src/payment/webhooks/provider-fetches.service.js';

/**
 * A fetch whose answer is stale when it arrives: the object has changed at the provider since, and a later fetch has already
 * written the change. The stale fetch must not overwrite it.
 */

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());
afterEach(async () => {
  payments.stripe.fake.clearFaults();
  payments.stripe.fake.releaseDeliveries();
  payments.apple.clearFaults();
  payments.apple.releaseDeliveries();
  await payments.settled();
});

const late = { kind: 'late-answer', milliseconds: 60_000 } as const;
const fetchObject = (provider: 'stripe' | 'apple', objectRef: string) =>
  payments.service.app.get(ProviderFetchesService, { strict: false }).fetch({ provider, objectRef });

/** Starts a fetch and delays the answer to one request. Meanwhile makes a change at Stripe, and fetches that. */
async function overtake(customer: string, request: RegExp, change: () => unknown): Promise<void> {
  const { fake } = payments.stripe;
  fake.holdDeliveries();
  fake.inject(late, { on: request, times: 1 });
  const staleFetch = fetchObject('stripe', customer);
  await expect.poll(() => fake.requestsHeld()).toBe(1);
  await change();
  await fetchObject('stripe', customer);
  fake.clearFaults();
  await staleFetch;
}

const kinds = async (user: SignedIn) => (await payments.history(user)).map(({ kind }) => kind).sort();

describe('a stale answer of Stripe', () => {
  let user: Subscriber;
  let charge: string;
  beforeAll(async () => {
    user = await payments.subscribe();
    charge = (await payments.lastCharge(user.customer)).id;
  });

  it('does not block access when the dispute was won meanwhile', async () => {
    const { fake } = payments.stripe;
    fake.holdDeliveries();
    const { id } = fake.openDispute(charge);
    await overtake(user.customer, /GET \/v1\/disputes/, () => fake.closeDispute(id, 'won'));
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
  });

  it('does not restore access when the payment was refunded meanwhile', async () => {
    await overtake(user.customer, /GET \/v1\/charges\?/, () => payments.stripe.stripe.refunds.create({ charge }));
    expect(await payments.report(user)).toMatchObject({ active: false, state: 'REVOKED' });
  });

  it('does not settle an event that arrived meanwhile', async () => {
    const state = () => payments.sql(`SELECT state::text FROM identity."WebhookEvent" WHERE event_id = 'evt_later'`);
    const { fake } = payments.stripe;
    fake.inject(late, { on: /GET \/v1\/charges\?/, times: 1 });
    const staleFetch = fetchObject('stripe', user.customer);
    await expect.poll(() => fake.requestsHeld()).toBe(1);
    await payments.sql(
      `INSERT INTO identity."WebhookEvent" (provider, event_id, type, object_ref, occurred_at, received_at)
       VALUES ('stripe', 'evt_later', 'invoice.paid', $1, now(), now())`,
      [user.customer],
    );
    fake.clearFaults();
    await staleFetch;
    expect(await state()).toEqual([{ state: 'pending' }]);
    await fetchObject('stripe', user.customer);
    expect(await state()).toEqual([{ state: 'done' }]);
  });

  it('does not end a subscription that started meanwhile', async () => {
    const { customer } = user;
    await overtake(customer, /GET \/v1\/subscriptions\?/, () => payments.stripe.subscribe({ customer }));
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
  });
});

describe('fifty deliveries of one event at once', () => {
  /** A busy machine may answer some of them 503, so that the provider retries. */
  const deliverFifty = async (deliver: () => Promise<number>) => {
    const statuses = await Promise.all(Array.from({ length: 50 }, deliver));
    expect(statuses).toContain(200);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
  };

  /** Resolves when no job of an earlier event is left. */
  const jobsDone = (key: string) =>
    expect.poll(() => payments.sql('SELECT 1 FROM identity_jobs.jobs WHERE key = $1', [key])).toEqual([]);

  it('cause one fetch from Stripe', async () => {
    const { customer } = await payments.subscribe();
    const { fake } = payments.stripe;
    await jobsDone(`stripe:${customer}`);
    const requests = fake.countRequests(/^GET \/v1\/subscriptions\?/);
    const created = Math.floor(payments.clock.now().getTime() / 1000);
    const object = { id: 'sub_x', object: 'subscription', customer };
    const event = {
      id: 'evt_fifty',
      object: 'event',
      type: 'invoice.paid',
      created,
      livemode: false,
      data: { object },
    };
    const payload = JSON.stringify(event);
    const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: webhookSecret, timestamp: created });
    const deliver = async () => {
      const headers = { 'stripe-signature': signature };
      return (await payments.post('/payment/webhooks/stripe', headers, event)).status;
    };
    await deliverFifty(deliver);
    await payments.settled();
    expect(requests.count).toBe(1);
  });

  it('cause one fetch from Apple', async () => {
    const user = await payments.signIn();
    const response = await payments.get('/payment/apple/account', user.headers);
    const account = (await response.json()) as { appAccountToken: string };
    const { originalTransactionId } = payments.apple.buy({ product: appleProducts.plus.id, ...account });
    await payments.settled();
    await jobsDone(`apple:${originalTransactionId}`);
    const requests = payments.apple.countRequests(/^GET \/inApps\/v1\/subscriptions/);
    const app = { bundleId: payments.apple.bundleId, environment: payments.apple.environment };
    const signedDate = payments.clock.now().getTime();
    const transaction = { ...app, originalTransactionId, transactionId: originalTransactionId, signedDate };
    const signedPayload = payments.apple.sign({
      notificationType: 'DID_RENEW',
      notificationUUID: crypto.randomUUID(),
      version: '2.0',
      signedDate,
      data: { ...app, status: 1, signedTransactionInfo: payments.apple.sign(transaction) },
    });
    const deliver = async () => (await payments.post('/payment/webhooks/apple', {}, { signedPayload })).status;
    await deliverFifty(deliver);
    await payments.settled();
    expect(requests.count).toBe(1);
  });
});

describe('a stale answer of Apple', () => {
  it('does not record a refund that was reversed meanwhile', async () => {
    const user = await payments.signIn();
    const response = await payments.get('/payment/apple/account', user.headers);
    const account = (await response.json()) as { appAccountToken: string };
    const bought = payments.apple.buy({ product: appleProducts.plus.id, ...account });
    await payments.settled();
    payments.apple.holdDeliveries();
    payments.apple.refund(bought.transactionId);
    payments.apple.inject(late, { on: /GET \/inApps\/v2\/history/, times: 1 });
    const staleFetch = fetchObject('apple', bought.originalTransactionId);
    await expect.poll(() => payments.apple.requestsHeld()).toBe(1);
    payments.apple.reverseRefund(bought.transactionId);
    await fetchObject('apple', bought.originalTransactionId);
    payments.apple.clearFaults();
    await staleFetch;
    expect(await payments.report(user)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await kinds(user)).toEqual(['charge']);
  });
});
