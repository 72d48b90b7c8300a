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

/** Time passes with the service up; those who speak pulse every 10 s. */
async function up(seconds: number, speaking: readonly string[] = []): Promise<void> {
  for (let left = seconds; left > 0; left -= 10) {
    clock.advance(Math.min(left, 10) * 1_000);
    await Promise.all(speaking.map(async (id) => get(NodeStore).pulse(id, 10, true, clock.now())));
    await check();
  }
}

/** Time passes with the service, or its database, down. */
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

describe('a silent node', () => {
  it('is unhealthy after 30 s, and healthy again with its next pulse', async () => {
    const [node = ''] = await addNodes(1);
    await up(30);
    expect(await statusOf(node)).toBe('healthy');
    clock.advance(1);
    await check();
    expect(await statusOf(node)).toBe('unhealthy');
    expect(await get(NodeStore).pulse(node, 1, true, clock.now())).toBe('healthy');
    expect(await statusOf(node)).toBe('healthy');
  });

  it('stays draining or retired, silent or not', async () => {
    const [draining = ''] = await addNodes(1, 'draining');
    const [retired = ''] = await addNodes(1, 'retired');
    await up(60);
    expect(await get(NodeStore).pulse(draining, 1, true, clock.now())).toBe('draining');
    expect(await get(NodeStore).pulse(retired, 1, true, clock.now())).toBe('retired');
    expect([await statusOf(draining), await statusOf(retired)]).toEqual(['draining', 'retired']);
  });

  it('stays draining or retired, whether it takes connections or not', async () => {
    const [draining = ''] = await addNodes(1, 'draining');
    const [retired = ''] = await addNodes(1, 'retired');
    for (const accepting of [false, true]) {
      expect(await get(NodeStore).pulse(draining, 1, accepting, clock.now())).toBe('draining');
      expect(await get(NodeStore).pulse(retired, 1, accepting, clock.now())).toBe('retired');
    }
  });

  it('is lost after 10 minutes, draining too, and nobody else is', async () => {
    const [speaking = '', silent = ''] = await addNodes(2);
    const [draining = ''] = await addNodes(1, 'draining');
    await addNodes(1, 'retired');
    await up(600, [speaking]);
    expect(await lost()).toEqual([]);
    await up(5, [speaking]);
    expect((await lost()).sort()).toEqual([silent, draining].sort());
    expect(await statusOf(speaking)).toBe('healthy');
  });
});

describe('a retired node', () => {
  it('is forgotten when it was silent for 30 days and serves nobody', async () => {
    const forget = () => get(NetworkMaintenance).runOnce('retired-nodes');
    const [retired = '', serving = '', speaking = ''] = await addNodes(3, 'retired');
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
    await forget();
    expect(await known()).toEqual([retired, serving, speaking, silent].sort());
    await get(NodeStore).pulse(speaking, 1, true, clock.now());
    clock.advance(1_000);
    await forget();
    expect(await known()).toEqual([serving, speaking, silent].sort());
    await query(stack.networkUrl, 'DELETE FROM network."Connection"');
    await forget();
    expect(await known()).toEqual([speaking, silent].sort());
  });
});

describe('silence while the service was down', () => {
  it('is nobody’s fault: it counts from when the service came back', async () => {
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

  it('starts again after every outage', async () => {
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

  it('makes nobody unhealthy who pulses every 10 s, however long the outage', async () => {
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

  it('is unknown before the first check of all', async () => {
    await query(stack.networkUrl, 'DELETE FROM network."MaintenanceRun"');
    const [node] = await addNodes(1);
    down(3_600);
    expect(await lost()).toEqual([]);
    await check();
    expect(await statusOf(node)).toBe('healthy');
  });
});

describe('silence of over 20 % of the nodes', () => {
  it('ends nothing and raises the alarm once, until fewer are silent', async () => {
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

  it('counts those just silent together with those long silent', async () => {
    const nodes = await addNodes(10);
    await up(605, nodes.slice(1));
    expect(await lost()).toEqual([nodes[0]]);
    await up(40, nodes.slice(3));
    expect(await lost()).toEqual([]);
  });

  it('does not hold up a fleet of a few, nor count the retired', async () => {
    const few = await addNodes(2);
    const [heard = ''] = await addNodes(1);
    await addNodes(40, 'retired');
    await up(605, [heard]);
    expect((await lost()).sort()).toEqual(few.sort());
    await addNodes(1, 'draining');
    await up(605, [heard]);
    expect(await lost()).toEqual([]);
  });

  it('holds up even two when nobody else is heard', async () => {
    await addNodes(2);
    await up(605);
    expect(await lost()).toEqual([]);
  });
});
