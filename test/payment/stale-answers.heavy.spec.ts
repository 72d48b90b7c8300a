import Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { type SignedIn } from '../support/gatekeeper.js';
import { startPayments, type Subscriber, type TestPayments, webhookSecret } from '../support/payments.js';
import { ProviderFetchesService } from '../../src/payment/webhooks/provider-fetches.service.js';

/**
 * A look-up whose answer is old by the time it comes, because something has changed at the provider since and another
 * look-up has written that already. It must write nothing over it.
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
const lookUp = (provider: 'stripe' | 'apple', objectRef: string) =>
  payments.service.app.get(ProviderFetchesService, { strict: false }).fetch({ provider, objectRef });

/** Begins to look a customer up, lets the answer to one question wait, and meanwhile things change and are looked up. */
async function overtaken(customer: string, question: RegExp, change: () => unknown): Promise<void> {
  const { fake } = payments.stripe;
  fake.holdDeliveries();
  fake.inject(late, { on: question, times: 1 });
  const early = lookUp('stripe', customer);
  await expect.poll(() => fake.requestsHeld()).toBe(1);
  await change();
  await lookUp('stripe', customer);
  fake.clearFaults();
  await early;
}

const kinds = async (person: SignedIn) => (await payments.history(person)).map(({ kind }) => kind).sort();

describe('an answer of Stripe from before', () => {
  let person: Subscriber;
  let charge: string;
  beforeAll(async () => {
    person = await payments.subscribe();
    charge = (await payments.lastCharge(person.customer)).id;
  });

  it('a dispute was won takes no access', async () => {
    const { fake } = payments.stripe;
    fake.holdDeliveries();
    const { id } = fake.openDispute(charge);
    await overtaken(person.customer, /GET \/v1\/disputes/, () => fake.closeDispute(id, 'won'));
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
  });

  it('everything was refunded gives no access', async () => {
    await overtaken(person.customer, /GET \/v1\/charges\?/, () => payments.stripe.stripe.refunds.create({ charge }));
    expect(await payments.report(person)).toMatchObject({ active: false, state: 'REVOKED' });
  });

  it('another event came leaves that event to do', async () => {
    const state = () => payments.sql(`SELECT state::text FROM identity."WebhookEvent" WHERE event_id = 'evt_later'`);
    const { fake } = payments.stripe;
    fake.inject(late, { on: /GET \/v1\/charges\?/, times: 1 });
    const early = lookUp('stripe', person.customer);
    await expect.poll(() => fake.requestsHeld()).toBe(1);
    await payments.sql(
      `INSERT INTO identity."WebhookEvent" (provider, event_id, type, object_ref, occurred_at, received_at)
       VALUES ('stripe', 'evt_later', 'invoice.paid', $1, now(), now())`,
      [person.customer],
    );
    fake.clearFaults();
    await early;
    expect(await state()).toEqual([{ state: 'pending' }]);
    await lookUp('stripe', person.customer);
    expect(await state()).toEqual([{ state: 'done' }]);
  });

  it('a subscription began does not end it', async () => {
    const { customer } = person;
    await overtaken(customer, /GET \/v1\/subscriptions\?/, () => payments.stripe.subscribe({ customer }));
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
  });
});

describe('fifty deliveries at once', () => {
  /** A machine that is too busy answers some of them 503, for the provider to send again; what it kept, it kept once. */
  const delivered = async (deliver: () => Promise<number>) => {
    const statuses = await Promise.all(Array.from({ length: 50 }, deliver));
    expect(statuses).toContain(200);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
  };

  /** Resolves when no look-up is left that an event from before has asked for. */
  const quiet = (key: string) =>
    expect.poll(() => payments.sql('SELECT 1 FROM identity_jobs.jobs WHERE key = $1', [key])).toEqual([]);

  it('of one event of Stripe are one look-up', async () => {
    const { customer } = await payments.subscribe();
    const { fake } = payments.stripe;
    await quiet(`stripe:${customer}`);
    const asked = fake.countRequests(/^GET \/v1\/subscriptions\?/);
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
    await delivered(deliver);
    await payments.settled();
    expect(asked.count).toBe(1);
  });

  it('of one notification of Apple are one look-up', async () => {
    const person = await payments.signIn();
    const response = await payments.get('/payment/apple/account', person.headers);
    const account = (await response.json()) as { appAccountToken: string };
    const { originalTransactionId } = payments.apple.buy({ product: appleProducts.plus.id, ...account });
    await payments.settled();
    await quiet(`apple:${originalTransactionId}`);
    const asked = payments.apple.countRequests(/^GET \/inApps\/v1\/subscriptions/);
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
    await delivered(deliver);
    await payments.settled();
    expect(asked.count).toBe(1);
  });
});

describe('an answer of Apple from before', () => {
  it('a refund was reversed writes no refund', async () => {
    const person = await payments.signIn();
    const response = await payments.get('/payment/apple/account', person.headers);
    const account = (await response.json()) as { appAccountToken: string };
    const bought = payments.apple.buy({ product: appleProducts.plus.id, ...account });
    await payments.settled();
    payments.apple.holdDeliveries();
    payments.apple.refund(bought.transactionId);
    payments.apple.inject(late, { on: /GET \/inApps\/v2\/history/, times: 1 });
    const early = lookUp('apple', bought.originalTransactionId);
    await expect.poll(() => payments.apple.requestsHeld()).toBe(1);
    payments.apple.reverseRefund(bought.transactionId);
    await lookUp('apple', bought.originalTransactionId);
    payments.apple.clearFaults();
    await early;
    expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
    expect(await kinds(person)).toEqual(['charge']);
  });
});
