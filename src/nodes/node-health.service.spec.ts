import { randomBytes } from 'node:crypto';
import { register } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { addLocation, createFleetReplica, type FleetReplica } from '../../test/support/fleet.js';
import { createTestStack, query, type TestStack } from '../../test/support/stack.js';
import { TestClock } from '../../test/support/test-clock.js';
import { AnonymizerLogger } from '../logger/index.js';
import { NetworkMaintenance, type NodeStatus } from '../prisma/network/index.js';
import { FleetService, NodeHealthService } from './index.js';
import { NodeStore } from './node.store.js';

const clock = new TestClock();
let stack: TestStack;
let replica: FleetReplica;

beforeAll(async () => {
  stack = await createTestStack();
  const first = await createFleetReplica(stack, clock);
  await addLocation(first);
  await first.stop();
});
beforeEach(async () => {
  clock.set('2030-01-01T12:00:00Z');
  await query(stack.networkUrl, 'DELETE FROM network."Node"');
  await query(stack.networkUrl, 'DELETE FROM network."MaintenanceRun"');
  replica = await createFleetReplica(stack, clock);
  await check();
});
afterEach(() => replica.stop());
afterAll(() => stack.stop());

const get = <T>(type: abstract new (...args: never[]) => T) => replica.app.get<T>(type, { strict: false });

/** One run of the job that a serving process runs every 5 s. */
async function check(): Promise<void> {
  expect(await get(NetworkMaintenance).runOnce('node-health')).toBe(true);
}

/** Advances the clock while the service is running; the given nodes pulse every 10 s. */
async function up(seconds: number, pulsing: readonly string[] = []): Promise<void> {
  for (let left = seconds; left > 0; left -= 10) {
    clock.advance(Math.min(left, 10) * 1_000);
    await Promise.all(pulsing.map(async (id) => get(NodeStore).pulse(id, 10, true, clock.now())));
    await check();
  }
}

/** Advances the clock while the service, or its database, is down. */
const down = (seconds: number) => clock.advance(seconds * 1000);

async function addNodes(count: number, status: NodeStatus = 'healthy'): Promise<string[]> {
  const keys = Array.from({ length: count }, () => randomBytes(32));
  const rows = await query<{ id: string }>(
    stack.networkUrl,
    `INSERT INTO network."Node" (location_id, public_key, ip, port, capacity, status, last_pulse_at, credential_hash,
                                 enrolled_with, enrolled_at)
     SELECT 'de-frankfurt', key, '192.0.2.1', 51820, 100, $2, $3, key, key, $3 FROM unnest($1::bytea[]) key RETURNING id`,
    [keys, status, clock.now()],
  );
  return rows.map(({ id }) => id);
}

const statusOf = async (id: string | undefined) =>
  (await get(FleetService).list()).find((node) => node.id === id)?.status;
const lost = () => get(NodeHealthService).lostNodes(clock.now());
const alarms = async () => {
  const metric = await register.getSingleMetric('nodes_mass_silence_checks_total')?.get();
  return metric?.values[0]?.value ?? 0;
};

describe('NodeHealthService.check with a silent node', () => {
  it('marks it unhealthy after 30 s; its next pulse makes it healthy again', async () => {
    const [node = ''] = await addNodes(1);
    await up(30);
    expect(await statusOf(node)).toBe('healthy');
    clock.advance(1);
    await check();
    expect(await statusOf(node)).toBe('unhealthy');
    expect(await get(NodeStore).pulse(node, 1, true, clock.now())).toBe('healthy');
    expect(await statusOf(node)).toBe('healthy');
  });

  it('does not change the status of a draining or retired node', async () => {
    const [draining = ''] = await addNodes(1, 'draining');
    const [retired = ''] = await addNodes(1, 'retired');
    await up(60);
    expect(await get(NodeStore).pulse(draining, 1, true, clock.now())).toBe('draining');
    expect(await get(NodeStore).pulse(retired, 1, true, clock.now())).toBe('retired');
    expect([await statusOf(draining), await statusOf(retired)]).toEqual(['draining', 'retired']);
  });

  it('does not change it either when the node pulses, accepting connections or not', async () => {
    const [draining = ''] = await addNodes(1, 'draining');
    const [retired = ''] = await addNodes(1, 'retired');
    for (const accepting of [false, true]) {
      expect(await get(NodeStore).pulse(draining, 1, accepting, clock.now())).toBe('draining');
      expect(await get(NodeStore).pulse(retired, 1, accepting, clock.now())).toBe('retired');
    }
  });

  it('reports it as lost after 10 minutes, also when it is draining, and no other node', async () => {
    const [pulsing = '', silent = ''] = await addNodes(2);
    const [draining = ''] = await addNodes(1, 'draining');
    await addNodes(1, 'retired');
    await up(600, [pulsing]);
    expect(await lost()).toEqual([]);
    await up(5, [pulsing]);
    expect((await lost()).sort()).toEqual([silent, draining].sort());
    expect(await statusOf(pulsing)).toBe('healthy');
  });
});

describe('NodeHealthService.deleteRetired', () => {
  it('deletes a retired node that was silent for 30 days and has no connections', async () => {
    const deleteRetired = () => get(NetworkMaintenance).runOnce('retired-nodes');
    const [retired = '', serving = '', pulsing = ''] = await addNodes(3, 'retired');
    const [silent = ''] = await addNodes(1, 'unhealthy');
    await query(
      stack.networkUrl,
      `INSERT INTO network."Connection" (id, key_id, status, node_id, slot, public_key, salt, secret_key_id, secret_hash,
                                         dns_blocking, started_on, expires_at)
       SELECT gen_random_uuid(), key, 'ending', $1, 1, key, substring(key for 16), substring(key for 8), key, 'none',
         '2030-01-01', '2030-01-02T12:00:00Z' FROM sha256('k') key`,
      [serving],
    );
    const known = async () => (await get(FleetService).list()).map(({ id }) => id).sort();
    clock.advance(30 * 86_400_000);
    await deleteRetired();
    expect(await known()).toEqual([retired, serving, pulsing, silent].sort());
    await get(NodeStore).pulse(pulsing, 1, true, clock.now());
    clock.advance(1_000);
    await deleteRetired();
    expect(await known()).toEqual([serving, pulsing, silent].sort());
    await query(stack.networkUrl, 'DELETE FROM network."Connection"');
    await deleteRetired();
    expect(await known()).toEqual([pulsing, silent].sort());
  });
});

describe('NodeHealthService after the service was down', () => {
  it('counts silence from the restart of the service', async () => {
    const [node] = await addNodes(1);
    down(3_600);
    expect(await lost()).toEqual([]);
    await check();
    expect([await statusOf(node), await lost()]).toEqual(['healthy', []]);
    await up(30);
    expect(await statusOf(node)).toBe('healthy');
    await up(5);
    expect(await statusOf(node)).toBe('unhealthy');
    await up(565);
    expect(await lost()).toEqual([]);
    await up(5);
    expect(await lost()).toEqual([node]);
  });

  it('starts counting again after every outage', async () => {
    const [node] = await addNodes(1);
    for (let outage = 0; outage < 3; outage += 1) {
      await up(300);
      down(60);
      await check();
    }
    expect(await lost()).toEqual([]);
    await up(605);
    expect(await lost()).toEqual([node]);
  });

  it('marks no node unhealthy that pulses every 10 s, however long the outage was', async () => {
    const [node = ''] = await addNodes(1);
    for (let outage = 1; outage <= 40; outage += 1) {
      await get(NodeStore).pulse(node, 1, true, clock.now());
      await up(5, []);
      down(outage);
      await check();
      await up(5, []);
      expect(await statusOf(node)).toBe('healthy');
    }
  });

  it('reports no silent nodes before the first check', async () => {
    await query(stack.networkUrl, 'DELETE FROM network."MaintenanceRun"');
    const [node] = await addNodes(1);
    down(3_600);
    expect(await lost()).toEqual([]);
    await check();
    expect(await statusOf(node)).toBe('healthy');
  });
});

describe('NodeHealthService during a mass silence', () => {
  it('reports no lost nodes and logs one error, until fewer nodes are silent', async () => {
    const logged = vi.spyOn(get(AnonymizerLogger), 'error');
    const nodes = await addNodes(14);
    const before = await alarms();
    await up(605, nodes.slice(3));
    expect(await lost()).toEqual([]);
    expect(await alarms()).toBeGreaterThan(before);
    expect(logged.mock.calls).toEqual([['nodes_mass_silence', undefined, { count: 3 }]]);
    expect(await statusOf(nodes[0])).toBe('unhealthy');

    await up(10, nodes.slice(2));
    const after = await alarms();
    expect((await lost()).sort()).toEqual(nodes.slice(0, 2).sort());
    await up(5, nodes.slice(2));
    expect(await alarms()).toBe(after);
  });

  it('counts nodes that just became silent together with nodes that have been silent for long', async () => {
    const nodes = await addNodes(10);
    await up(605, nodes.slice(1));
    expect(await lost()).toEqual([nodes[0]]);
    await up(40, nodes.slice(3));
    expect(await lost()).toEqual([]);
  });

  it('does not apply to single silent nodes of a small fleet, and does not count retired nodes', async () => {
    const few = await addNodes(2);
    const [pulsing = ''] = await addNodes(1);
    await addNodes(40, 'retired');
    await up(605, [pulsing]);
    expect((await lost()).sort()).toEqual(few.sort());
    await addNodes(1, 'draining');
    await up(605, [pulsing]);
    expect(await lost()).toEqual([]);
  });

  it('applies to a fleet of two when both are silent', async () => {
    await addNodes(2);
    await up(605);
    expect(await lost()).toEqual([]);
  });
});
