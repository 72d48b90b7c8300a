import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type TestApp } from '../support/app.js';
import { type EventStream, followEvents } from '../support/event-stream.js';
import { enrolNode, postJson, pulse, type TestNode } from '../support/fleet.js';
import { placeAt, placementOf, serviceOf, startFirstReplica, startReplica } from '../support/peers.js';
import { createTestStack, type TestStack } from '../support/stack.js';
import { TestClock } from '../support/test-clock.js';
import { holdMaintenanceJob } from '../support/maintenance.js';
import {
  type AuthenticatedNode,
  encodeWireguardKey,
  FleetService,
  NodeAuthenticatorService,
  NodeDirectoryService,
} from '../../src/nodes/index.js';
import { ConnectionMaintenanceService } from '../../src/connection/connection-maintenance.service.js';
import { LifecycleStore } from '../../src/connection/lifecycle.store.js';
import { OutboxStore } from '../../src/connection/peer-sync/outbox.store.js';
import { PeerFeedService } from '../../src/connection/peer-sync/peer-feed.service.js';
import { PeerSignalsService } from '../../src/connection/peer-sync/peer-signals.service.js';
import { secretHashOf } from '../../src/connection/connection-secrets.service.js';

const clock = new TestClock();
let stack: TestStack;
let service: TestApp;
let node: TestNode;
const streams: EventStream[] = [];
beforeAll(async () => {
  stack = await createTestStack();
  service = await startFirstReplica(stack, clock);
});
beforeEach(async () => {
  node = await enrolNode(service);
});
afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
  vi.restoreAllMocks();
});
afterAll(async () => {
  await service.stop();
  await stack.stop();
});

async function follow(by: TestNode = node, at: TestApp = service): Promise<EventStream> {
  const stream = await followEvents(at.url, by);
  streams.push(stream);
  return stream;
}

/** A stream whose snapshot has been read. */
async function followOn(by: TestNode = node, at: TestApp = service): Promise<EventStream> {
  const stream = await follow(by, at);
  await stream.next('snapshot');
  return stream;
}

const acknowledge = (body: unknown) => postJson(`${service.url}/node/${node.id}/acks`, body, node.credential);
const disconnect = (secret: string) =>
  fetch(`${service.url}/vpn/connection`, { method: 'DELETE', headers: { authorization: `Bearer ${secret}` } });

describe('the event stream of PeerFeedService', () => {
  it('starts with a snapshot of all peers, and then sends changes until they are acknowledged', async () => {
    const secret = 'a-connection-secret';
    const before = await placeAt(service, node.id, { secretHash: secretHashOf(secret) });
    const stream = await follow();
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream');
    expect(stream.response.headers.get('cache-control')).toBe('no-store');
    const { peers, complete } = await stream.next('snapshot');
    expect([complete, peers]).toMatchObject([true, [{ ...placementOf(before), status: 'pending' }]]);
    await acknowledge({ added: [placementOf(before)] });

    const added = await placeAt(service, node.id);
    await expect.poll(async () => (await stream.next('peer-added')).connection_id).toBe(added.id);
    await disconnect(secret);
    expect(await stream.next('peer-removed')).toEqual({
      ...placementOf(before),
      public_key: encodeWireguardKey(before.publicKey),
    });
  });

  it('breaks when its snapshot cannot be read, instead of sending an empty one', async () => {
    await placeAt(service, node.id);
    vi.spyOn(serviceOf(service, OutboxStore), 'peersOf').mockRejectedValueOnce(new Error('down'));
    const stream = await follow();
    expect([await stream.ended, stream.waiting()]).toEqual([false, []]);
  });

  it('repeats a change after a second without acknowledgement, but not after the acknowledgement', async () => {
    const stream = await followOn();
    const [first, second] = [await placeAt(service, node.id), await placeAt(service, node.id)];
    const nextTwo = async () =>
      [(await stream.next('peer-added')).connection_id, (await stream.next('peer-added')).connection_id].sort();
    expect(await nextTwo()).toEqual([first.id, second.id].sort());
    clock.advance(1_000);
    expect(await nextTwo()).toEqual([first.id, second.id].sort());
    await acknowledge({ added: [placementOf(first)] });
    clock.advance(1_000);
    expect((await stream.next('peer-added')).connection_id).toBe(second.id);
    clock.advance(1_000);
    expect((await stream.next('peer-added')).connection_id).toBe(second.id);
    expect(stream.waiting()).toEqual([]);
  });

  it('does not repeat a change within a second, however often the outbox is read', async () => {
    const stream = await followOn();
    const read = vi.spyOn(serviceOf(service, OutboxStore), 'outstanding');
    await placeAt(service, node.id);
    await stream.next('peer-added');
    clock.advance(999);
    const before = read.mock.calls.length;
    await expect.poll(() => read.mock.calls.length).toBeGreaterThan(before + 3);
    serviceOf(service, PeerFeedService).heartbeat();
    await stream.next('heartbeat');
    expect(stream.waiting()).toEqual([]);
  });

  it('keeps repeating changes after the clock is set back', async () => {
    const stream = await followOn();
    await placeAt(service, node.id);
    await stream.next('peer-added');
    clock.advance(-3_600_000);
    await stream.next('peer-added');
    clock.advance(3_600_000);
  });

  it('sends changes that happen between the reading of its snapshot and its first push', async () => {
    const placed = await placeAt(service, node.id);
    const outbox = serviceOf(service, OutboxStore);
    const read = outbox.peersOf.bind(outbox);
    vi.spyOn(outbox, 'peersOf').mockImplementationOnce(async (...args) => {
      const rows = await read(...args);
      await outbox.acknowledgeAdded(node.id, [placed]);
      await serviceOf(service, LifecycleStore).endOnNodes([node.id], new Date(clock.now().getTime() + 60_000));
      serviceOf(service, PeerSignalsService).nodesChanged(node.id);
      return rows;
    });
    const stream = await follow();
    expect((await stream.next('snapshot')).peers).toMatchObject([placementOf(placed)]);
    expect(await stream.next('peer-removed')).toMatchObject(placementOf(placed));
  });

  it('does not send changes that are older than its snapshot', async () => {
    const placed = await placeAt(service, node.id);
    const outbox = serviceOf(service, OutboxStore);
    const read = outbox.outstanding.bind(outbox);
    const [delay, hasRead] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const earlier = await followOn();
    const spy = vi.spyOn(outbox, 'outstanding').mockImplementationOnce(async (...args) => {
      const rows = await read(...args);
      hasRead.resolve();
      await delay.promise;
      return rows;
    });
    await hasRead.promise;
    // The peer is removed before the second stream opens, but the rows that were read earlier still contain it.
    await outbox.acknowledgeAdded(node.id, [placed]);
    await serviceOf(service, LifecycleStore).endOnNodes([node.id], new Date(clock.now().getTime() + 60_000));
    await outbox.acknowledgeRemoved(node.id, [placed]);
    const stream = await follow();
    expect(await stream.next('snapshot')).toEqual({ peers: [], complete: true });
    const before = spy.mock.calls.length;
    delay.resolve();
    await expect.poll(() => spy.mock.calls.length).toBeGreaterThan(before + 1);
    const next = await placeAt(service, node.id);
    expect((await stream.next('peer-added')).connection_id).toBe(next.id);
    earlier.close();
  });

  it('sends heartbeats', async () => {
    const stream = await followOn();
    serviceOf(service, PeerFeedService).heartbeat();
    expect(await stream.next('heartbeat')).toEqual({});
  });

  it('sends heartbeats while the check of credentials hangs', async () => {
    const stream = await followOn();
    const authorised = Promise.withResolvers<Set<AuthenticatedNode>>();
    const filter = vi.spyOn(serviceOf(service, NodeAuthenticatorService), 'filterAuthorised');
    filter.mockReturnValueOnce(authorised.promise);
    const feed = serviceOf(service, PeerFeedService);
    const closing = feed.closeUnauthorised();
    for (let count = 0; count < 3; count += 1) {
      feed.heartbeat();
      await stream.next('heartbeat');
    }
    expect(filter).toHaveBeenCalledTimes(1);
    authorised.resolve(new Set());
    await closing;
    expect(await stream.ended).toBe(true);
  });

  it('is one of at most three for one node: a fourth drops the oldest', async () => {
    const [oldest, ...others] = [await followOn(), await followOn(), await followOn()];
    const newest = await followOn();
    expect(await oldest?.ended).toBe(false);
    await placeAt(service, node.id);
    for (const stream of [...others, newest]) await stream.next('peer-added');
  });
});

describe('PeerFeedService when the operator changes a node', () => {
  it('sends drain on the open stream of a drained node, and on later streams', async () => {
    const stream = await followOn();
    await serviceOf(service, FleetService).drain(node.id);
    expect(await stream.next('drain')).toEqual({});
    const later = await follow();
    await later.next('snapshot');
    expect(await later.next('drain')).toEqual({});
  });

  it('sends drain when the node is drained while its stream starts', async () => {
    const outbox = serviceOf(service, OutboxStore);
    const read = outbox.peersOf.bind(outbox);
    vi.spyOn(outbox, 'peersOf').mockImplementationOnce(async (...args) => {
      await serviceOf(service, FleetService).drain(node.id);
      await serviceOf(service, NodeDirectoryService).refresh();
      return read(...args);
    });
    const stream = await follow();
    await stream.next('drain');
    expect(stream.waiting()).toEqual(['snapshot']);
  });

  it('closes the stream of a retired node, and sends only removals after it reconnects', async () => {
    const cleaner = await holdMaintenanceJob(stack.ownerUrl, 'network', 'connection-clean-up');
    onTestFinished(() => cleaner.release());
    await placeAt(service, node.id);
    const active = await placeAt(service, node.id);
    await serviceOf(service, OutboxStore).acknowledgeAdded(node.id, [active]);
    const stream = await followOn();
    await serviceOf(service, FleetService).retire(node.id);
    expect(await stream.ended).toBe(true);
    const back = await follow();
    expect(await back.next('snapshot')).toEqual({ peers: [], complete: true });
    await back.next('drain');
    clock.advance(1_000);
    await serviceOf(service, ConnectionMaintenanceService).cleanUp();
    expect(await back.next('peer-removed')).toMatchObject(placementOf(active));
    serviceOf(service, PeerFeedService).heartbeat();
    await back.next('heartbeat');
    expect(back.waiting()).toEqual([]);
  });
});

describe('PeerFeedService with a rotated credential', () => {
  it('closes streams with the old credential once the new one is used', async () => {
    const [stream, other] = [await followOn(), await followOn(await enrolNode(service))];
    const registration = { public_key: node.publicKey, ip: '127.0.0.1', location_id: 'de-frankfurt' };
    const response = await postJson(`${service.url}/node/register`, registration, node.credential);
    const { credential } = (await response.json()) as { credential: string };
    serviceOf(service, PeerFeedService).heartbeat();
    await stream.next('heartbeat');
    await pulse(service, { ...node, credential });
    await serviceOf(service, PeerFeedService).closeUnauthorised();
    expect(await stream.ended).toBe(true);
    await other.next('heartbeat');
    const renewed = await followOn({ ...node, credential });
    serviceOf(service, PeerFeedService).heartbeat();
    await renewed.next('heartbeat');
    await placeAt(service, node.id);
    await renewed.next('peer-added');
  });
});

describe('PeerFeedService with two replicas', () => {
  it('sends changes from one replica to a node that is connected to the other', async () => {
    const other = await startReplica(stack, clock);
    const stream = await followOn(node, other);
    const placed = await placeAt(service, node.id);
    expect((await stream.next('peer-added')).connection_id).toBe(placed.id);
    await other.stop();
  });
});
