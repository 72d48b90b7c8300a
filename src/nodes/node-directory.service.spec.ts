import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { register } from 'prom-client';
import { addLocation, createFleetReplica, type FleetReplica } from '../../test/support/fleet.js';
import { createTestStack, query, type TestStack } from '../../test/support/stack.js';
import { TestClock } from '../../test/support/test-clock.js';
import { FleetStore } from './fleet.store.js';
import { FleetService, NodeDirectoryService } from './index.js';

let stack: TestStack;
let replica: FleetReplica;
let directory: NodeDirectoryService;

beforeAll(async () => {
  stack = await createTestStack({ ownPostgres: true });
});
beforeEach(async () => {
  replica = await createFleetReplica(stack, new TestClock());
  directory = replica.app.get(NodeDirectoryService, { strict: false });
});
afterEach(async () => {
  await query(stack.networkUrl, 'DELETE FROM network."Node"');
  await query(stack.networkUrl, 'DELETE FROM network."Location"');
  await replica.stop();
});
afterAll(() => stack.stop());

async function addNode(capacity = 100, locationId = 'de-frankfurt'): Promise<string> {
  const [row] = await query<{ id: string }>(
    stack.networkUrl,
    `INSERT INTO network."Node" (location_id, public_key, ip, port, capacity, status, last_pulse_at, credential_hash,
                                 enrolled_with, enrolled_at)
     VALUES ($2, $1, '192.0.2.1', 51820, $3, 'healthy', now(), $1, $1, now()) RETURNING id`,
    [randomBytes(32), locationId, capacity],
  );
  return row?.id ?? '';
}

const fleet = () => replica.app.get(FleetService, { strict: false });
const chosen = (exclude?: string) => directory.candidates('de-frankfurt', exclude).map((node) => node?.id);

describe('NodeDirectoryService', () => {
  it('throws unavailable before it has read the fleet', () => {
    expect(directory.candidates('de-frankfurt')).toEqual([]);
    expect(directory.endpoint(randomUUID())).toBeUndefined();
    expect(() => directory.current()).toThrow(expect.objectContaining({ code: 'unavailable' }));
  });

  it('returns two healthy nodes, one when one is excluded, and none at another location', async () => {
    await addLocation(replica);
    const [first, second] = [await addNode(), await addNode()];
    await directory.refresh();
    expect(new Set(chosen())).toEqual(new Set([first, second]));
    expect(chosen(first)).toEqual([second]);
    expect(directory.candidates('fi-helsinki')).toEqual([]);
    expect(directory.current().locations.get('de-frankfurt')).toMatchObject({ id: 'de-frankfurt', enabled: true });
    expect(directory.current().locations.get('fi-helsinki')).toBeUndefined();
  });

  it('returns the node with fewer connections first, by reported counts and by allocations since', async () => {
    await addLocation(replica);
    const [busy, idle] = [await addNode(), await addNode()];
    await directory.refresh();
    directory.setLiveCounts(new Map([[busy, 10]]));
    expect(chosen()).toEqual([idle, busy]);
    for (let allocated = 0; allocated < 11; allocated += 1) directory.countAllocation(idle);
    expect(chosen()).toEqual([busy, idle]);
    await directory.refresh();
    expect(chosen()).toEqual([busy, idle]);
    directory.setLiveCounts(new Map([[busy, 1]]));
    expect(chosen()).toEqual([idle, busy]);
  });

  it('does not return a full node until new counts show that it has room', async () => {
    await addLocation(replica);
    const node = await addNode(2);
    await directory.refresh();
    directory.countAllocation(node);
    expect(chosen()).toEqual([node]);
    directory.countAllocation(node);
    expect(chosen()).toEqual([]);
    await directory.refresh();
    expect(chosen()).toEqual([]);
    expect(directory.endpoint(node)).toMatchObject({ id: node });
    directory.setLiveCounts(new Map([[node, 1]]));
    expect(chosen()).toEqual([node]);
  });

  it('does not return a draining node as a candidate, but still returns its endpoint', async () => {
    await addLocation(replica);
    const node = await addNode();
    await fleet().drain(node);
    await directory.refresh();
    expect(chosen()).toEqual([]);
    expect(directory.endpoint(node)).toMatchObject({ status: 'draining', ip: '192.0.2.1', port: 51820 });
  });

  it('counts nodes by status for Prometheus', async () => {
    await addLocation(replica);
    await fleet().drain(await addNode());
    await addNode();
    await directory.refresh();
    const values = (await register.getSingleMetric('nodes')?.get())?.values;
    expect(Object.fromEntries(values?.map(({ labels, value }) => [labels.status, value]) ?? [])).toEqual({
      healthy: 1,
      unhealthy: 0,
      draining: 1,
      retired: 0,
    });
  });
});

describe('NodeDirectoryService.onStatusChange', () => {
  it('calls listeners once for each change of status, and not for new nodes', async () => {
    await addLocation(replica);
    const node = await addNode();
    const listener = vi.fn();
    const unsubscribe = directory.onStatusChange(listener);
    await directory.refresh();
    expect(listener).not.toHaveBeenCalled();
    await fleet().drain(node);
    await directory.refresh();
    await directory.refresh();
    expect(listener.mock.calls).toEqual([[node, 'draining']]);
    unsubscribe();
    await fleet().retire(node);
    await directory.refresh();
    expect(listener).toHaveBeenCalledOnce();
  });
});

describe('NodeDirectoryService.refresh', () => {
  it('runs by itself within a second, and keeps the snapshot while PostgreSQL is down', async () => {
    await addLocation(replica);
    const first = await addNode();
    await replica.start();
    expect(chosen()).toEqual([first]);
    const second = await addNode();
    await expect.poll(() => chosen().length).toBe(2);

    await stack.killPostgres();
    await expect(directory.refresh()).rejects.toThrow();
    expect(new Set(chosen())).toEqual(new Set([first, second]));
    await stack.restartPostgres();
    await fleet().drain(second);
    await expect.poll(() => chosen()).toEqual([first]);
  });

  it('shares one later read between all calls during a running read', async () => {
    await addLocation(replica);
    const read = vi.spyOn(replica.app.get(FleetStore, { strict: false }), 'readFleet');
    const early = directory.refresh();
    await expect.poll(() => read).toHaveBeenCalledOnce();
    const node = await addNode();
    await Promise.all([early, ...Array.from({ length: 50 }, () => directory.refresh())]);
    expect(read).toHaveBeenCalledTimes(2);
    expect(chosen()).toEqual([node]);
  });
});
