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

describe('the directory', () => {
  it('knows nothing before it has read, and says so', () => {
    expect(directory.candidates('de-frankfurt')).toEqual([]);
    expect(directory.endpoint(randomUUID())).toBeUndefined();
    expect(() => directory.current()).toThrow(expect.objectContaining({ code: 'unavailable' }));
  });

  it('offers two healthy nodes, one when one is excluded, none elsewhere', async () => {
    await addLocation(replica);
    const [first, second] = [await addNode(), await addNode()];
    await directory.refresh();
    expect(new Set(chosen())).toEqual(new Set([first, second]));
    expect(chosen(first)).toEqual([second]);
    expect(directory.candidates('fi-helsinki')).toEqual([]);
    expect(directory.current().locations.get('de-frankfurt')).toMatchObject({ id: 'de-frankfurt', enabled: true });
    expect(directory.current().locations.get('fi-helsinki')).toBeUndefined();
  });

  it('offers the one with fewer connections first, as reported and as just allocated', async () => {
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

  it('does not offer a node that has filled up, until a report says that it has room', async () => {
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

  it('does not offer a draining node, and still knows where it is', async () => {
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

describe('a change of status', () => {
  it('is told to those who listen, once, and not for new nodes', async () => {
    await addLocation(replica);
    const node = await addNode();
    const heard = vi.fn();
    const unsubscribe = directory.onStatusChange(heard);
    await directory.refresh();
    expect(heard).not.toHaveBeenCalled();
    await fleet().drain(node);
    await directory.refresh();
    await directory.refresh();
    expect(heard.mock.calls).toEqual([[node, 'draining']]);
    unsubscribe();
    await fleet().retire(node);
    await directory.refresh();
    expect(heard).toHaveBeenCalledOnce();
  });
});

describe('refreshing', () => {
  it('happens within a second by itself, and survives PostgreSQL with what it knew', async () => {
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

  it('reads once for all who ask while a reading runs, and after they asked', async () => {
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
