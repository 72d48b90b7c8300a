import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startStripe, type StripeBench } from '../testing/stripe.js';

interface Received {
  readonly body: string;
  readonly signature: string;
  readonly event: Stripe.Event;
}

let bench: StripeBench;
let server: Server;
let url: string;
let received: Received[];
/** The backend's HTTP status for an event. */
let answer: (event: Stripe.Event) => number;

beforeEach(async () => {
  bench = await startStripe({ retry: { firstMs: 1, factor: 1, attempts: 5 } });
  received = [];
  answer = () => 200;
  server = createServer((request, response) => {
    void (async () => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const event = JSON.parse(body) as Stripe.Event;
      received.push({ body, signature: String(request.headers['stripe-signature']), event });
      response.writeHead(answer(event)).end();
    })();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks`;
});
afterEach(async () => {
  await bench.fake.close();
  server.close();
});

const types = () => received.map(({ event }) => event.type);
const ids = () => received.map(({ event }) => event.id);
const settled = () => bench.fake.deliveriesSettled();
const customers = async (count: number) => {
  for (let n = 0; n < count; n += 1) await bench.customer();
};
const positions = (found: readonly string[], order: readonly string[]) => found.map((id) => order.indexOf(id));

describe('an event in FakeStripe', () => {
  it('has a signature that Stripe’s own verifier accepts, and refuses when it is altered', async () => {
    const { secret } = bench.fake.deliverTo(url);
    await bench.customer();
    await settled();
    const [{ body, signature } = { body: '', signature: '' }] = received;
    const at = bench.clock.now().getTime();
    const verify = (...[payload, header, key, when]: [string, string, string, number]) =>
      Stripe.webhooks.constructEvent(payload, header, key, undefined, undefined, when);
    expect(verify(body, signature, secret, at).type).toBe('customer.created');
    expect(() => verify(body.replace('cus_', 'cus-'), signature, secret, at)).toThrow('No signatures found');
    expect(() =>
      verify(
        body,
        signature.replace(/.$/, (sign) => (sign === '0' ? '1' : '0')),
        secret,
        at,
      ),
    ).toThrow();
    expect(() => verify(body, signature, 'whsec_other', at)).toThrow('No signatures found');
    expect(() => verify(body, signature, secret, at + 301_000)).toThrow('outside the tolerance');
  });

  it('contains the object at that time, the previous values, and the request that changed it', async () => {
    bench.fake.deliverTo(url, { events: ['customer.updated'] });
    const id = await bench.customer();
    const options = { idempotencyKey: 'rename' };
    await bench.stripe.customers.update(id, { name: 'First' }, options);
    await bench.stripe.customers.update(id, { name: 'Second' });
    await bench.stripe.customers.update(id, { name: 'Second' });
    await settled();
    expect(received.map(({ event }) => event)).toMatchObject([
      {
        api_version: Stripe.API_VERSION,
        livemode: false,
        data: { object: { id, name: 'First' }, previous_attributes: { name: null } },
        request: { idempotency_key: 'rename', id: expect.stringMatching(/^req_/) as string },
      },
      { data: { object: { name: 'Second' }, previous_attributes: { name: 'First' } } },
    ]);
  });

  it('is sent and pending until the backend accepts it', async () => {
    let refusals = 3;
    answer = () => (refusals-- > 0 ? 503 : 204);
    bench.fake.deliverTo(url);
    await bench.customer();
    await settled();
    expect(types()).toEqual(Array(4).fill('customer.created'));
    expect(new Set(ids()).size).toBe(1);
    expect(bench.fake.deliveryAttempts.map(({ status }) => status)).toEqual([503, 503, 503, 204]);
    expect((await bench.stripe.events.retrieve(ids()[0] ?? '')).pending_webhooks).toBe(0);
  });

  it('is listed as undelivered after all attempts failed, and can be sent again', async () => {
    answer = () => 400;
    bench.fake.deliverTo(url);
    await bench.customer();
    await settled();
    expect(received).toHaveLength(5);
    const [undelivered] = (await bench.stripe.events.list({ delivery_success: false })).data;
    expect(undelivered).toMatchObject({ id: ids()[0], pending_webhooks: 1 });
    answer = () => 200;
    await bench.fake.resend(undelivered?.id ?? '');
    expect(received).toHaveLength(6);
    expect((await bench.stripe.events.list({ delivery_success: false })).data).toEqual([]);
  });

  it('goes only to endpoints that enabled its type, each with its own secret', async () => {
    const endpoint = await bench.stripe.webhookEndpoints.create({ url, enabled_events: ['product.created'] });
    expect(endpoint.secret).toMatch(/^whsec_/);
    expect(await bench.stripe.webhookEndpoints.retrieve(endpoint.id)).not.toHaveProperty('secret');
    await bench.customer();
    await bench.stripe.products.create({ name: 'Plan' });
    await settled();
    expect(types()).toEqual(['product.created']);
    await bench.stripe.webhookEndpoints.del(endpoint.id);
    await bench.stripe.products.create({ name: 'Other' });
    await settled();
    expect(received).toHaveLength(1);
  });
});

describe('webhook delivery of FakeStripe', () => {
  it('keeps the order while no delivery faults are set', async () => {
    bench.fake.deliverTo(url);
    await bench.subscribe();
    await settled();
    const emitted = (await bench.stripe.events.list({ limit: 100 })).data.map(({ id }) => id).reverse();
    expect(ids()).toEqual(emitted.slice(-received.length));
  });

  it('drops, duplicates and shuffles events by its settings, identically for the same seed', async () => {
    const run = async (seed: string) => {
      const other = await startStripe({ seed, retry: { firstMs: 1, factor: 1, attempts: 2 } });
      received = [];
      other.fake.deliverTo(url);
      other.fake.setDeliveryFaults({ drop: 0.3, duplicate: 0.3, shuffle: 10 });
      for (let n = 0; n < 40; n += 1) await other.customer();
      await other.fake.deliveriesSettled();
      const { data } = await other.stripe.events.list({ limit: 40 });
      await other.fake.close();
      return positions(ids(), data.map(({ id }) => id).reverse());
    };
    const first = await run('a');
    const distinct = new Set(first);
    expect(distinct.size).toBeGreaterThan(15);
    expect(distinct.size).toBeLessThan(38);
    expect(first.length).toBeGreaterThan(distinct.size);
    expect(first).not.toEqual(first.toSorted((a, b) => a - b));
    expect(await run('a')).toEqual(first);
    expect(await run('b')).not.toEqual(first);
  });

  it('delays each event by a random time', async () => {
    bench.fake.deliverTo(url);
    bench.fake.setDeliveryFaults({ delayMs: 1_000 });
    await customers(20);
    await settled();
    const { data } = await bench.stripe.events.list({ limit: 20 });
    const order = positions(ids(), data.map(({ id }) => id).reverse());
    expect(order.toSorted((a, b) => a - b)).toEqual([...Array(20).keys()]);
    expect(order).not.toEqual([...Array(20).keys()]);
  });

  it('holds events, and releases them in the order that the test chooses', async () => {
    bench.fake.deliverTo(url);
    bench.fake.holdDeliveries();
    await customers(4);
    await settled();
    expect(received).toEqual([]);
    let held: string[] = [];
    bench.fake.releaseDeliveries((events) => {
      held = events;
      return [events[3], events[0], events[0]].map(String);
    });
    await settled();
    expect(positions(ids(), held)).toEqual([3, 0, 0]);
  });

  it('uses up all attempts while the backend is down', async () => {
    bench.fake.deliverTo('http://127.0.0.1:9/closed');
    await bench.customer();
    await settled();
    expect(bench.fake.deliveryAttempts.map(({ status }) => status)).toEqual(Array(5).fill(undefined));
  });
});
