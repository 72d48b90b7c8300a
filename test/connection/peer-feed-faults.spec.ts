import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type TestApp } from '../support/app.js';
import { type EventStream, followEvents } from '../support/event-stream.js';
import { enrolNode, postJson, type TestNode } from '../support/fleet.js';
import { placeAt, placementOf, serviceOf, startFirstReplica, startReplica } from '../support/peers.js';
import { createTestStack, type TestStack } from '../support/stack.js';
import { TestClock } from '../support/test-clock.js';
import { AckWaiterService } from '../../src/connection/peer-sync/ack-waiter.service.js';
import { PeerFeedService } from '../../src/connection/peer-sync/peer-feed.service.js';
import { PeerSignalsService } from '../../src/connection/peer-sync/peer-signals.service.js';

const clock = new TestClock();
let stack: TestStack;
let service: TestApp;
let node: TestNode;
const streams: EventStream[] = [];
beforeAll(async () => {
  stack = await createTestStack({ ownPostgres: true });
  service = await startFirstReplica(stack, clock);
});
beforeEach(async () => {
  node = await enrolNode(service);
});
afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
});
afterAll(async () => {
  await service.stop();
  await stack.stop();
});

async function follow(at: TestApp = service): Promise<EventStream> {
  const stream = await followEvents(at.url, node);
  streams.push(stream);
  await stream.next('snapshot');
  return stream;
}

const acknowledge = (body: unknown, at: TestApp = service) =>
  postJson(`${at.url}/node/${node.id}/acks`, body, node.credential);
const peers = () =>
  fetch(`${service.url}/node/${node.id}/peers`, { headers: { authorization: `Bearer ${node.credential}` } });

/** Publishes a message of an unknown sender on both channels, and waits until the service has received it. */
async function publish(text: string): Promise<void> {
  const { client } = serviceOf(service, PeerSignalsService)['redis'];
  for (const channel of ['peers:changed', 'peers:active']) {
    const listeners = () => client.publish(channel, text).catch(() => 0);
    await expect.poll(listeners, { timeout: 15_000 }).toBeGreaterThan(0);
  }
}

describe('PeerFeedService while Redis is down', () => {
  it('delivers changes and acknowledgements between replicas', async () => {
    const other = await startReplica(stack, clock);
    const stream = await follow(other);
    await stack.killRedis();
    try {
      const placed = await placeAt(service, node.id);
      expect((await stream.next('peer-added')).connection_id).toBe(placed.id);
      const active = serviceOf(service, AckWaiterService).isActiveWithin(15_000, placed);
      expect((await acknowledge({ added: [placementOf(placed)] }, other)).status).toBe(200);
      expect(await active).toBe(true);
    } finally {
      await stack.restartRedis();
      await other.stop();
    }
  });
});

describe('PeerSignalsService', () => {
  it.each(['{', 'null', '7', '{"from":"x"}', '{"from":"x","items":7}', '{"from":"x","items":[null]}'])(
    'ignores the malformed message %s',
    async (text) => {
      const stream = await follow();
      await publish(text);
      const placed = await placeAt(service, node.id);
      expect((await stream.next('peer-added')).connection_id).toBe(placed.id);
    },
  );
});

describe('PeerFeedService while PostgreSQL is down', () => {
  it('answers 503 instead of an empty list or stream, and open streams continue afterwards', async () => {
    const placed = await placeAt(service, node.id);
    const stream = await follow();
    await stream.next('peer-added');
    await stack.killPostgres();
    try {
      const list = await peers();
      expect(list.status).toBe(503);
      expect(list.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      const events = await followEvents(service.url, node);
      expect(events.response.status).toBe(503);
      expect((await acknowledge({ added: [placementOf(placed)] })).status).toBe(503);
    } finally {
      await stack.restartPostgres();
    }
    await expect.poll(async () => (await acknowledge({})).status).toBe(200);
    clock.advance(1_000);
    expect((await stream.next('peer-added')).connection_id).toBe(placed.id);
    expect(stream.waiting()).toEqual([]);
    await acknowledge({ added: [placementOf(placed)] });
  });
});

describe('PeerFeedService during shutdown', () => {
  it('accepts no new stream', async () => {
    const stopping = await startReplica(stack, clock);
    serviceOf(stopping, PeerFeedService)['closeAll']();
    await expect(followEvents(stopping.url, node)).rejects.toThrow();
    await stopping.stop();
  });

  it('closes its streams cleanly at once, so that nodes can connect to another replica', async () => {
    const stopping = await startReplica(stack, clock);
    const stream = await follow(stopping);
    const placed = await placeAt(stopping, node.id);
    await stream.next('peer-added');
    const stopped = stopping.stop();
    expect(await stream.ended).toBe(true);
    await stopped;
    const elsewhere = await followEvents(service.url, node);
    streams.push(elsewhere);
    expect((await elsewhere.next('snapshot')).peers).toMatchObject([placementOf(placed)]);
  });
});
