import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hoursLater, startConnections, type TestConnections } from '../../../test/support/connections.js';
import { OutboxStore } from './outbox.store.js';

let connections: TestConnections;
let outbox: OutboxStore;
let node: string;
beforeAll(async () => {
  connections = await startConnections();
  outbox = connections.get(OutboxStore);
});
beforeEach(async () => {
  await connections.clear();
  node = await connections.addNode();
});
afterAll(() => connections.stop());

const place = async (status: 'pending' | 'active' | 'ending', hours = 24) => {
  const placed = await connections.place(node, { expiresAt: hoursLater(connections.clock.now(), hours) });
  await connections.set(placed.id, status);
  return placed.id;
};
const outstanding = async (limit = 10) =>
  (await outbox.outstanding([node], connections.clock.now(), limit)).map(({ id }) => id);
const peers = async () => (await outbox.peersOf(node, connections.clock.now(), -1, 10)).map(({ id }) => id);

describe('OutboxStore.outstanding', () => {
  it('returns pending and ending rows of a node, but no active ones', async () => {
    const [pending, ending] = [await place('pending'), await place('ending')];
    await place('active');
    expect((await outstanding()).sort()).toEqual([pending, ending].sort());
  });

  it('returns pending rows first, however many peers there are to remove', async () => {
    await place('ending');
    await place('ending');
    const pending = await place('pending');
    await place('ending');
    expect(await outstanding(1)).toEqual([pending]);
    expect((await outstanding(2))[0]).toBe(pending);
  });

  it('omits expired connections, which the node removes by itself', async () => {
    const later = await place('pending', 2);
    for (const status of ['pending', 'ending', 'active'] as const) await place(status, 1);
    connections.clock.advance(3_600_000);
    expect([await outstanding(), await peers()]).toEqual([[later], [later]]);
  });

  it('returns only removals for a retired node', async () => {
    await place('pending');
    await place('active');
    const ending = await place('ending');
    await connections.setNode(node, 'retired');
    expect([await outstanding(), await peers()]).toEqual([[ending], []]);
  });
});
