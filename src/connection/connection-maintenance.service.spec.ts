import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { register } from 'prom-client';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  hoursLater,
  startConnections,
  type TestConnections,
  wantedConnection,
} from '../../test/support/connections.js';
import { AnonymizerLogger } from '../logger/index.js';
import { NodeDirectoryService, NodeHealthService } from '../nodes/index.js';
import { Background } from '../platform/background/index.js';
import { Clock } from '../platform/config/index.js';
import { NetworkMaintenance } from '../prisma/network/index.js';
import { AllocationStore } from './allocation.store.js';
import { ConnectionMaintenanceService } from './connection-maintenance.service.js';
import { LifecycleStore } from './lifecycle.store.js';
import { PeerSignalsService } from './peer-sync/peer-signals.service.js';
import { UsageStatisticsService } from './usage-statistics.service.js';

let connections: TestConnections;
beforeAll(async () => {
  connections = await startConnections();
});
beforeEach(async () => {
  connections.clock.set('2030-01-01T12:00:00Z');
  await connections.clear();
  await connections.sql('DELETE FROM "MaintenanceRun"');
  await run('node-health');
});
afterAll(() => connections.stop());

const run = async (job: string) => {
  expect(await connections.get(NetworkMaintenance).runOnce(job)).toBe(true);
};

/** Advances the clock while the service is running; the given nodes pulse. */
async function up(seconds: number, pulsing: readonly string[] = []): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 10) {
    connections.clock.advance(10_000);
    await connections.sql('UPDATE "Node" SET last_pulse_at = $2 WHERE id = ANY($1)', [
      pulsing,
      connections.clock.now(),
    ]);
    await run('node-health');
  }
}

/** Places one connection of each status on a node; returns a function that reads their current statuses. */
async function occupy(node: string): Promise<() => Promise<(string | undefined)[]>> {
  const placed = [await connections.place(node), await connections.place(node), await connections.place(node)];
  await connections.set(placed[1]?.id ?? '', 'active');
  await connections.set(placed[2]?.id ?? '', 'ending');
  return () => Promise.all(placed.map(async ({ id }) => (await connections.row(id))?.status));
}

const untouched = ['pending', 'active', 'ending'];
/** The pending one is deleted: it was never returned to a client, so its token may be spent. */
const over = [undefined, 'ending', 'ending'];

describe('ConnectionMaintenanceService.cleanUp', () => {
  it('ends the connections of a node that is silent for ten minutes, and of no other node', async () => {
    const [silent, pulsing] = [await connections.addNode(), await connections.addNode()];
    const [onSilent, onSpeaking] = [await occupy(silent), await occupy(pulsing)];
    await up(600, [pulsing]);
    await run('connection-clean-up');
    expect(await onSilent()).toEqual(untouched);
    await up(10, [pulsing]);
    await run('connection-clean-up');
    expect([await onSilent(), await onSpeaking()]).toEqual([over, untouched]);
  });

  it('ends no connections while more than 20 % of the nodes are silent at once', async () => {
    const nodes = [];
    for (let count = 0; count < 10; count += 1) nodes.push(await connections.addNode());
    const on = await occupy(nodes[0] ?? '');
    await up(610, nodes.slice(3));
    await run('connection-clean-up');
    expect(await on()).toEqual(untouched);
    await up(10, nodes.slice(2));
    await run('connection-clean-up');
    expect(await on()).toEqual(over);
  });

  it('does not count the time in which the service itself was down', async () => {
    const on = await occupy(await connections.addNode());
    connections.clock.advance(3_600_000);
    await run('connection-clean-up');
    await run('node-health');
    await run('connection-clean-up');
    expect(await on()).toEqual(untouched);
  });

  it('ends the connections of a retired node, and signals the replica that serves its stream', async () => {
    const [retired, other] = [await connections.addNode(), await connections.addNode()];
    const [onRetired, onOther] = [await occupy(retired), await occupy(other)];
    const signalled: string[] = [];
    connections.get(PeerSignalsService).onNodesChanged((ids) => signalled.push(...ids));
    await run('connection-clean-up');
    expect(await onRetired()).toEqual(untouched);
    await connections.setNode(retired, 'retired');
    await run('connection-clean-up');
    expect([await onRetired(), await onOther(), signalled]).toEqual([over, untouched, [retired]]);
  });

  it('keeps the connections of a draining node', async () => {
    const node = await connections.addNode({ status: 'draining' });
    const on = await occupy(node);
    await up(700, [node]);
    await run('connection-clean-up');
    expect(await on()).toEqual(untouched);
  });
});

describe('ConnectionMaintenanceService.expire', () => {
  it('ends all expired connections, batch after batch', async () => {
    const node = await connections.addNode();
    for (let count = 0; count < 5; count += 1) await connections.set((await connections.place(node)).id, 'active');
    const store = connections.get(LifecycleStore);
    const expire = store.expire.bind(store);
    connections.clock.set('2030-01-02T12:00:00Z');
    // Pretend that two rows are a full batch.
    const batches = vi.spyOn(store, 'expire');
    batches.mockImplementation(async (now, limit) => ((await expire(now, 2)) === 2 ? limit : 0));
    await run('connection-expiry');
    batches.mockRestore();
    expect((await connections.rows()).map(({ status }) => status)).toEqual(Array(5).fill('ended'));
  });
});

describe('ConnectionMaintenanceService.purge', () => {
  const keyId = randomBytes(32);
  /** By the database's clock, which is the one that the purge uses. */
  const addKey = (verifyUntil: string) =>
    connections.sql(
      `INSERT INTO "VerifierKey" (key_id, spki, not_before, sign_until, verify_until)
       VALUES ($1, $2, now() - interval '3 days', now() - interval '2 days', now() + $3::interval)`,
      [keyId, randomBytes(342), verifyUntil],
    );
  const tombstone = async () => {
    const wanted = wantedConnection({ keyId, expiresAt: connections.clock.now() });
    await connections.get(AllocationStore).allocate(wanted, await connections.addNode(), 100);
    await connections.set(wanted.id, 'active');
    await connections.get(LifecycleStore).expire(connections.clock.now(), 100);
    expect(await connections.row(wanted.id)).toMatchObject({ status: 'ended' });
    return wanted;
  };

  it('deletes tombstones two hours after their key has expired', async () => {
    const { id } = await tombstone();
    await addKey('-2 hours -1 minute');
    await run('connection-purge');
    expect(await connections.row(id)).toBeUndefined();
  });

  it('never deletes one earlier, even when the clock of the service runs ahead', async () => {
    const wanted = await tombstone();
    await addKey('-2 hours 1 minute');
    connections.clock.set('2100-01-01T00:00:00Z');
    await run('connection-purge');
    expect(await connections.row(wanted.id)).toMatchObject({ status: 'ended' });
    // While the tombstone exists, the token gives no connection.
    const node = await connections.addNode();
    expect(
      await connections.get(AllocationStore).allocate(wantedConnection({ id: wanted.id }), node, 100),
    ).toBeUndefined();
  });

  it('keeps live connections, and tombstones of an unknown key', async () => {
    const unknown = await tombstone();
    await run('connection-purge');
    expect(await connections.row(unknown.id)).toBeDefined();
    await addKey('-2 hours -1 minute');
    const node = await connections.addNode();
    const live = await connections.place(node, { keyId, expiresAt: hoursLater(connections.clock.now(), 24) });
    await run('connection-purge');
    expect([await connections.row(unknown.id), await connections.row(live.id)]).toMatchObject([
      undefined,
      { status: 'pending' },
    ]);
  });
});

describe('ConnectionMaintenanceService.count', () => {
  const gauge = async () => (await register.getSingleMetric('connections_live')?.get())?.values[0]?.value;

  it('updates the load of each node and the metric of live connections', async () => {
    const [full, other] = [await connections.addNode({ capacity: 2 }), await connections.addNode({ capacity: 2 })];
    await connections.place(full);
    const { id } = await connections.place(full);
    await connections.place(other);
    const directory = connections.get(NodeDirectoryService);
    await directory.refresh();
    const chosen = () => directory.candidates('de-frankfurt').map((node) => node?.id);
    expect(chosen().sort()).toEqual([full, other].sort());
    await connections.get(ConnectionMaintenanceService).count();
    expect([chosen(), await gauge()]).toEqual([[other], 3]);
    await connections.sql('DELETE FROM "Connection" WHERE id = $1', [id]);
    await connections.get(ConnectionMaintenanceService).count();
    expect([chosen().sort(), await gauge()]).toEqual([[full, other].sort(), 2]);
  });

  it('stops with the process, even during a count', async () => {
    const { get } = connections;
    const background = new Background();
    const [clock, logger, store] = [get(Clock), get(AnonymizerLogger), get(LifecycleStore)];
    const [health, directory, usage, signals] = [
      get(NodeHealthService),
      get(NodeDirectoryService),
      get(UsageStatisticsService),
      get(PeerSignalsService),
    ];
    new ConnectionMaintenanceService(store, health, directory, usage, signals, clock, logger, background);
    const count = Promise.withResolvers<Map<string, number>>();
    vi.spyOn(store, 'liveByNode').mockReturnValueOnce(count.promise);
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const started = background.start();
    let stopped = false;
    const stop = background.stop().then(() => (stopped = true));
    await setImmediate();
    expect(stopped).toBe(false);
    count.resolve(new Map());
    await Promise.all([started, stop]);
    expect(timers.mock.calls.filter(([, delay]) => delay === 10_000)).toEqual([]);
    vi.restoreAllMocks();
  });
});
