import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startConnections, type TestConnections, wantedConnection } from '../../test/support/connections.js';
import { AllocationStore } from './allocation.store.js';
import { LifecycleStore } from './lifecycle.store.js';
import { type LiveConnection } from './connection.js';
import { OutboxStore } from './peer-sync/outbox.store.js';

let connections: TestConnections;
let store: AllocationStore;
let outbox: OutboxStore;
beforeAll(async () => {
  connections = await startConnections();
  store = connections.get(AllocationStore);
  outbox = connections.get(OutboxStore);
});
afterAll(() => connections.stop());

const isDefined = <T>(value: T | undefined): value is T => value !== undefined;
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));
/** Runs `count` calls, 20 at a time, because the database pools limit concurrency. */
async function race<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  while (results.length < count) {
    const done = results.length;
    results.push(...(await Promise.all(times(Math.min(20, count - done), (index) => make(done + index)))));
  }
  return results;
}
const onNode = async (nodeId: string) => (await connections.rows()).filter((row) => row.node_id === nodeId);

describe('AllocationStore.allocate', () => {
  it('inserts a pending row with everything that its peer needs', async () => {
    const node = await connections.addNode();
    const wanted = wantedConnection({ dnsBlocking: 'ads' });
    const placed = await store.allocate(wanted, node, 100);
    const { id, publicKey, salt, secretKeyId, expiresAt } = wanted;
    expect(placed).toMatchObject({ id, status: 'pending', nodeId: node, publicKey, salt, secretKeyId, expiresAt });
    expect(await connections.row(id)).toEqual({
      id,
      key_id: wanted.keyId,
      status: 'pending',
      revision: placed?.revision,
      node_id: node,
      slot: placed?.slot,
      public_key: publicKey,
      salt,
      secret_key_id: secretKeyId,
      secret_hash: wanted.secretHash,
      dns_blocking: 'ads',
      started_on: expect.any(Date) as Date,
      expires_at: expiresAt,
    });
  });

  it('never exceeds the capacity and never reuses a slot, with 200 requests to two replicas, 20 at a time', async () => {
    const node = await connections.addNode({ capacity: 30 });
    const other = (await connections.addReplica()).app.get(AllocationStore, { strict: false });
    const placed = await race(200, (index) => (index % 2 ? store : other).allocate(wantedConnection(), node, 30));
    const slots = placed.filter(isDefined).map(({ slot }) => slot);
    expect(slots.sort((a, b) => a - b)).toEqual(times(30, (index) => index + 1));
    expect(await onNode(node)).toHaveLength(30);
  });

  it('gives 300 requests to a large node different slots, 20 at a time', async () => {
    const node = await connections.addNode({ capacity: 1_000 });
    const placed = await race(300, () => store.allocate(wantedConnection(), node, 1_000));
    const slots = placed.filter(isDefined).map(({ slot }) => slot);
    expect([slots.length, new Set(slots).size]).toEqual([300, 300]);
    expect(Math.max(...slots)).toBeLessThanOrEqual(1_000);
  });

  it('inserts one row for a token that is spent 100 times on two nodes', async () => {
    const nodes = [await connections.addNode(), await connections.addNode()];
    const id = randomUUID();
    const placed = await race(100, (index) => store.allocate(wantedConnection({ id }), nodes[index % 2] ?? '', 100));
    expect(placed.filter(isDefined)).toHaveLength(1);
    expect((await connections.rows()).filter((row) => row.id === id)).toHaveLength(1);
  });

  it('inserts one row for a public key that is sent with 100 tokens', async () => {
    const node = await connections.addNode();
    const publicKey = randomBytes(32);
    const placed = await race(100, () => store.allocate(wantedConnection({ publicKey }), node, 100));
    expect(placed.filter(isDefined)).toHaveLength(1);
    expect(await onNode(node)).toHaveLength(1);
  });

  it('returns undefined for a full node, and finds its last free slot', async () => {
    const node = await connections.addNode({ capacity: 5 });
    const placed = await Promise.all(times(5, () => store.allocate(wantedConnection(), node, 5)));
    const wanted = wantedConnection();
    expect(await store.allocate(wanted, node, 5)).toBeUndefined();
    expect(await store.find(wanted.id, wanted.publicKey)).toBeUndefined();
    const third = placed[2] as LiveConnection;
    expect(await store.release(third)).toBe(true);
    expect(await store.allocate(wanted, node, 5)).toMatchObject({ slot: third.slot });
  });

  it('uses a new revision each time, so that a late acknowledgement cannot confirm the next placement', async () => {
    const node = await connections.addNode({ capacity: 1 });
    const wanted = wantedConnection();
    const revisions = new Set<number | undefined>();
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const placed = await store.allocate(wanted, node, 1);
      revisions.add(placed?.revision);
      await store.release(placed as LiveConnection);
    }
    expect(revisions.size).toBe(20);
  });
});

describe('AllocationStore.find', () => {
  it('prefers the row with the id to the row with the public key', async () => {
    const node = await connections.addNode();
    const [mine, other] = [await connections.place(node), await connections.place(node)];
    expect(await store.find(mine.id, other.publicKey)).toEqual(mine);
    expect(await store.find(randomUUID(), other.publicKey)).toEqual(other);
    expect(await store.find(other.id, randomBytes(32))).toEqual(other);
    expect(await store.find(randomUUID(), randomBytes(32))).toBeUndefined();
  });

  it('finds a tombstone by its id only', async () => {
    const node = await connections.addNode();
    const { id, publicKey } = await connections.place(node, { expiresAt: new Date('2030-01-01T12:00:00Z') });
    await connections.set(id, 'active');
    await connections.get(LifecycleStore).expire(connections.clock.now(), 100);
    expect(await store.find(id, publicKey)).toEqual({ id, status: 'ended' });
    expect(await store.find(randomUUID(), publicKey)).toBeUndefined();
    expect(await store.allocate(wantedConnection({ id }), node, 100)).toBeUndefined();
  });
});

describe('AllocationStore.move and release', () => {
  const fresh = () => randomBytes(16);

  it('moves a pending connection to another node once, with a new salt and the next revision', async () => {
    const [node, other] = [await connections.addNode(), await connections.addNode()];
    const placed = await connections.place(node);
    const before = await connections.row(placed.id);
    const salt = fresh();
    const moved = await store.move(placed, other, 100, salt);
    expect(moved).toEqual({ ...placed, nodeId: other, slot: moved?.slot, revision: placed.revision + 1, salt });
    const { slot = 0, revision = 0 } = moved ?? {};
    expect(await connections.row(placed.id)).toEqual({ ...before, node_id: other, slot, revision, salt });
    expect(await store.move(placed, node, 100, fresh())).toBeUndefined();
    expect(await onNode(node)).toEqual([]);
  });

  it('deletes the connection when the other node is full', async () => {
    const [node, full] = [await connections.addNode(), await connections.addNode({ capacity: 1 })];
    await store.allocate(wantedConnection(), full, 1);
    const placed = await connections.place(node);
    expect(await store.move(placed, full, 1, fresh())).toBeUndefined();
    expect(await store.find(placed.id, placed.publicKey)).toBeUndefined();
  });

  it.each(['active', 'ending'] as const)('does not move or release a connection that is %s', async (status) => {
    const [node, other] = [await connections.addNode(), await connections.addNode()];
    const placed = await connections.place(node);
    await connections.set(placed.id, status);
    expect(await store.move(placed, other, 100, fresh())).toBeUndefined();
    expect(await store.release(placed)).toBe(false);
    expect(await connections.row(placed.id)).toMatchObject({ status, node_id: node, revision: placed.revision });
  });

  it('does not move or release another placement of the connection (other node or revision)', async () => {
    const [node, other] = [await connections.addNode(), await connections.addNode()];
    const placed = await connections.place(node);
    const before = await connections.row(placed.id);
    for (const otherPlacement of [
      { ...placed, nodeId: other },
      { ...placed, revision: placed.revision + 1 },
    ]) {
      expect(await store.move(otherPlacement, other, 100, fresh())).toBeUndefined();
      expect(await store.release(otherPlacement)).toBe(false);
    }
    expect(await connections.row(placed.id)).toEqual(before);
  });

  it('lets exactly one of acknowledgement, move and release win, in 100 races', async () => {
    const [node, other] = [
      await connections.addNode({ capacity: 1_000 }),
      await connections.addNode({ capacity: 1_000 }),
    ];
    const won = new Set<string>();
    const round = async (index: number) => {
      const placed = await connections.place(node);
      const contenders = [
        async () => (await outbox.acknowledgeAdded(node, [placed])).length === 1 && 'acknowledged',
        async () => (await store.move(placed, other, 1_000, fresh())) !== undefined && 'moved',
        async () => (await store.move(placed, other, 1_000, fresh())) !== undefined && 'moved',
        async () => (await store.release(placed)) && 'released',
      ];
      const order = times(4, (place) => contenders[(place + index) % 4]).filter(isDefined);
      const winners = (await Promise.all(order.map((contend) => contend()))).filter((winner) => winner !== false);
      expect(winners).toHaveLength(1);
      const row = await connections.row(placed.id);
      const result = row?.status === 'active' ? 'acknowledged' : row?.node_id === other ? 'moved' : 'released';
      expect(result).toBe(winners[0]);
      won.add(result);
    };
    for (let batch = 0; batch < 10; batch += 1) await Promise.all(times(10, (index) => round(batch + index)));
    expect([...won].sort()).toEqual(['acknowledged', 'moved', 'released']);
  });
});

describe('OutboxStore.acknowledgeAdded', () => {
  it('ignores another node, an earlier placement and a repetition', async () => {
    const [node, other] = [await connections.addNode(), await connections.addNode()];
    const placed = await connections.place(node);
    expect(await outbox.acknowledgeAdded(other, [placed])).toEqual([]);
    const moved = (await store.move(placed, other, 100, randomBytes(16))) as LiveConnection;
    expect(await outbox.acknowledgeAdded(node, [placed])).toEqual([]);
    expect(await outbox.acknowledgeAdded(other, [placed])).toEqual([]);
    expect(await outbox.acknowledgeAdded(node, [moved])).toEqual([]);
    const { id, revision } = moved;
    expect(await outbox.acknowledgeAdded(other, [moved, moved])).toEqual([{ id, revision }]);
    expect(await outbox.acknowledgeAdded(other, [moved])).toEqual([]);
  });

  it('ignores a retired node', async () => {
    const node = await connections.addNode();
    const placed = await connections.place(node);
    await connections.setNode(node, 'retired');
    expect(await outbox.acknowledgeAdded(node, [placed])).toEqual([]);
    expect(await connections.row(placed.id)).toMatchObject({ status: 'pending' });
  });
});

describe('the unique indices of Connection', () => {
  it('refuse a second row with the same slot or public key', async () => {
    const node = await connections.addNode();
    const [one, other] = [await connections.place(node), await connections.place(node)];
    const set = (column: string, value: unknown) =>
      connections.sql(`UPDATE "Connection" SET ${column} = $2 WHERE id = $1`, [other.id, value]);
    await expect(set('slot', one.slot)).rejects.toThrow(/Connection_node_id_slot_key/);
    await expect(set('public_key', one.publicKey)).rejects.toThrow(/Connection_public_key_key/);
  });
});
