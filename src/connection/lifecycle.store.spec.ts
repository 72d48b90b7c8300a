import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { hoursLater, startConnections, type TestConnections } from '../../test/support/connections.js';
import { type LiveConnection } from './connection.js';
import { LifecycleStore } from './lifecycle.store.js';
import { OutboxStore } from './peer-sync/outbox.store.js';

let connections: TestConnections;
let store: LifecycleStore;
let outbox: OutboxStore;
let node: string;
beforeAll(async () => {
  connections = await startConnections();
  store = connections.get(LifecycleStore);
  outbox = connections.get(OutboxStore);
});
beforeEach(async () => {
  await connections.clear();
  node = await connections.addNode();
});
afterAll(() => connections.stop());

const now = () => connections.clock.now();
const statusOf = async ({ id }: LiveConnection) => (await connections.row(id))?.status;
const place = async (status: 'pending' | 'active' | 'ending' = 'pending', hours = 24) => {
  const secretHash = randomBytes(32);
  const placed = await connections.place(node, { secretHash, expiresAt: hoursLater(now(), hours) });
  if (status !== 'pending') await connections.set(placed.id, status);
  return { ...placed, secretHash };
};

const erased = {
  node_id: null,
  slot: null,
  public_key: null,
  salt: null,
  secret_key_id: null,
  secret_hash: null,
  dns_blocking: null,
  started_on: null,
  expires_at: null,
};

describe('the lifecycle of a connection', () => {
  it('goes from pending to active when the node acknowledges it, to ending on disconnect, and to ended when the node has removed it', async () => {
    const placed = await place();
    expect(await statusOf(placed)).toBe('pending');
    await outbox.acknowledgeAdded(node, [placed]);
    expect(await statusOf(placed)).toBe('active');
    expect(await store.disconnect(placed.secretHash, now())).toBe(node);
    expect(await statusOf(placed)).toBe('ending');
    expect(await outbox.acknowledgeRemoved(node, [placed])).toBe(1);
    expect(await statusOf(placed)).toBe('ended');
  });

  it('continues when its node was found lost but has pulsed since', async () => {
    const [pending, active] = [await place(), await place('active')];
    expect(await store.endOnNodes([node], now())).toBe(0);
    expect([await statusOf(pending), await statusOf(active)]).toEqual(['pending', 'active']);
    expect(await store.endOnNodes([node], hoursLater(now(), 1))).toBe(1);
    expect([await statusOf(pending), await statusOf(active)]).toEqual([undefined, 'ending']);
  });

  it('continues when its node pulses while the connections of lost nodes are being ended', async () => {
    const active = await place('active');
    const pulsing = new pg.Client({ connectionString: connections.stack.ownerUrl, options: '-c search_path=network' });
    await pulsing.connect();
    onTestFinished(() => pulsing.end());
    await pulsing.query('BEGIN');
    await pulsing.query('UPDATE "Node" SET last_pulse_at = $2 WHERE id = $1', [node, hoursLater(now(), 2)]);
    const ended = store.endOnNodes([node], hoursLater(now(), 1));
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await expect.poll(() => connections.sql(waiting)).toHaveLength(1);
    await pulsing.query('COMMIT');
    expect([await ended, await statusOf(active)]).toEqual([0, 'active']);
  });

  it('leaves a tombstone with nothing but its id and key', async () => {
    const [acknowledged, expired] = [await place('ending'), await place('ending', 0)];
    await outbox.acknowledgeRemoved(node, [acknowledged]);
    await store.expire(now(), 10);
    for (const { id, revision } of [acknowledged, expired]) {
      const key_id = expect.any(Buffer) as Buffer;
      expect(await connections.row(id)).toEqual({ id, key_id, revision, status: 'ended', ...erased });
    }
  });

  it('occupies its slot until its node has removed the peer', async () => {
    const placed = await place('ending');
    expect(await connections.row(placed.id)).toMatchObject({ slot: placed.slot, node_id: node });
  });

  it('is ended only by an acknowledgement of its own node, for this placement, while it is ending', async () => {
    const other = await connections.addNode();
    const [ending, active] = [await place('ending'), await place('active')];
    expect(await outbox.acknowledgeRemoved(other, [ending])).toBe(0);
    expect(await outbox.acknowledgeRemoved(node, [{ ...ending, revision: ending.revision + 1 }])).toBe(0);
    expect(await outbox.acknowledgeRemoved(node, [active])).toBe(0);
    expect([await statusOf(ending), await statusOf(active)]).toEqual(['ending', 'active']);
    expect(await outbox.acknowledgeRemoved(node, [ending, ending, active])).toBe(1);
  });

  it('does not become active again by a late acknowledgement while it is ending', async () => {
    const ending = await place('ending');
    expect(await outbox.acknowledgeAdded(node, [ending])).toEqual([]);
    expect(await statusOf(ending)).toBe('ending');
  });
});

describe('LifecycleStore.findBySecret and disconnect', () => {
  it.each(['pending', 'active', 'ending'] as const)('find and disconnect a connection that is %s', async (status) => {
    const placed = await place(status);
    const { id, expiresAt, secretHash } = placed;
    expect(await store.findBySecret(secretHash, now())).toEqual({
      id,
      status,
      locationId: 'de-frankfurt',
      expiresAt,
    });
    expect(await store.disconnect(secretHash, now())).toBe(node);
    expect(await store.disconnect(secretHash, now())).toBe(node);
    expect(await statusOf(placed)).toBe('ending');
  });

  it('find no connection that has ended or expired, even before the expiry job has run', async () => {
    const [ended, over] = [await place('ending'), await place('active', 1)];
    await outbox.acknowledgeRemoved(node, [ended]);
    for (const [{ secretHash }, time] of [
      [ended, now()],
      [over, hoursLater(now(), 1)],
      [{ secretHash: randomBytes(32) }, now()],
    ] as const) {
      expect(await store.findBySecret(secretHash, time)).toBeUndefined();
      expect(await store.disconnect(secretHash, time)).toBeUndefined();
    }
    expect(await statusOf(over)).toBe('active');
  });
});

describe('LifecycleStore.expire', () => {
  it('ends active and ending connections that have expired, and no others', async () => {
    const [active, ending, later] = [await place('active', 1), await place('ending', 1), await place('active', 2)];
    connections.clock.advance(3_600_000 - 1);
    expect(await store.expire(now(), 100)).toBe(0);
    connections.clock.advance(1);
    expect(await store.expire(now(), 100)).toBe(2);
    expect([await statusOf(active), await statusOf(ending), await statusOf(later)]).toEqual([
      'ended',
      'ended',
      'active',
    ]);
    expect(await store.expire(now(), 100)).toBe(0);
  });

  it('deletes a pending connection without a tombstone, because its token was not used', async () => {
    const placed = await place('pending', 0);
    expect(await store.expire(now(), 100)).toBe(1);
    expect(await connections.row(placed.id)).toBeUndefined();
  });

  it('ends at most one batch at a time', async () => {
    for (let count = 0; count < 7; count += 1) await place(count % 2 ? 'active' : 'pending', 0);
    const batches = [];
    for (let batch = 0; batch < 4; batch += 1) batches.push(await store.expire(now(), 3));
    expect(batches).toEqual([3, 3, 1, 0]);
  });

  it('ends each row once when many calls run at once, and skips locked rows', async () => {
    for (let count = 0; count < 30; count += 1) await place('active', 0);
    const ended = await Promise.all(Array.from({ length: 8 }, () => store.expire(now(), 10)));
    expect(ended.reduce((sum, count) => sum + count)).toBe(30);
  });

  it('leaves a tombstone of a pending connection only when a concurrent acknowledgement succeeded', async () => {
    for (let round = 0; round < 30; round += 1) {
      const placed = await place('pending', 0);
      const [acknowledged] = await Promise.all([outbox.acknowledgeAdded(node, [placed]), store.expire(now(), 100)]);
      await store.expire(now(), 100);
      expect(await statusOf(placed)).toBe(acknowledged.length === 1 ? 'ended' : undefined);
    }
  });
});

describe('LifecycleStore.liveByNode', () => {
  it('counts the connections that occupy a slot on each node', async () => {
    const other = await connections.addNode();
    await place('active');
    await place('pending');
    await place('ending');
    await connections.place(other);
    await outbox.acknowledgeRemoved(node, [await place('ending')]);
    expect(await store.liveByNode()).toEqual(
      new Map([
        [node, 3],
        [other, 1],
      ]),
    );
  });
});
