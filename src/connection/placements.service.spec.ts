import { register } from 'prom-client';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startConnections, type TestConnections } from '../../test/support/connections.js';
import { ANONYMIZER_CONFIG, type AnonymizerConfig, Clock } from '../platform/config/index.js';
import { NodeDirectoryService } from '../nodes/index.js';
import { AckWaiterService } from './peer-sync/ack-waiter.service.js';
import { AllocationStore } from './allocation.store.js';
import { type Placement } from './connection.js';
import { ConnectionSecretsService } from './connection-secrets.service.js';
import { OutboxStore } from './peer-sync/outbox.store.js';
import { PeerSignalsService } from './peer-sync/peer-signals.service.js';
import { PlacementsService } from './placements.service.js';

let connections: TestConnections;
beforeAll(async () => {
  connections = await startConnections();
});
beforeEach(async () => {
  await connections.clear();
  vi.restoreAllMocks();
});
afterAll(() => connections.stop());

const confirm = (placed: Parameters<PlacementsService['confirm']>[0]) =>
  connections.get(PlacementsService).confirm(placed, 'de-frankfurt');
const refresh = () => connections.get(NodeDirectoryService).refresh();
const outcomes = async (): Promise<Record<string, number>> => {
  const metric = await register.getSingleMetric('placements_unacknowledged_total')?.get();
  return Object.fromEntries(metric?.values.map(({ labels, value }) => [String(labels['outcome']), value]) ?? []);
};

/** The node acknowledges as soon as a request waits for this placement. */
function confirmWhenWaitedFor(nodeId: string) {
  const waiter = connections.get(AckWaiterService);
  const wait = waiter.isActiveWithin.bind(waiter);
  return vi.spyOn(waiter, 'isActiveWithin').mockImplementation(async (milliseconds, placement: Placement) => {
    const waiting = wait(milliseconds, placement);
    connections
      .get(PeerSignalsService)
      .nowActive(await connections.get(OutboxStore).acknowledgeAdded(nodeId, [placement]));
    return waiting;
  });
}

describe('PlacementsService.confirm', () => {
  it('waits for a node as long as NODE_ACK_TIMEOUT_MS says', async () => {
    const node = await connections.addNode();
    await refresh();
    const placed = await connections.place(node);
    const patient = new PlacementsService(
      connections.get(AllocationStore),
      connections.get(NodeDirectoryService),
      connections.get(AckWaiterService),
      connections.get(PeerSignalsService),
      connections.get(ConnectionSecretsService),
      connections.get(Clock),
      {
        ...connections.replica.app.get<AnonymizerConfig>(ANONYMIZER_CONFIG, { strict: false }),
        nodeAckTimeoutMs: 1_234,
      },
    );
    const waited = confirmWhenWaitedFor(node);
    expect(await patient.confirm(placed, 'de-frankfurt')).toMatchObject({ outcome: 'active' });
    expect(waited.mock.calls.map(([milliseconds]) => milliseconds)).toEqual([1_234]);
  });

  it('returns the connection once the node has acknowledged it', async () => {
    const node = await connections.addNode();
    await refresh();
    const placed = await connections.place(node);
    confirmWhenWaitedFor(node);
    expect(await confirm(placed)).toEqual({ outcome: 'active', connection: { ...placed, status: 'active' } });
  });

  it.each(['unhealthy', 'retired'] as const)('moves the connection at once when its node is %s', async (status) => {
    const [unusable, other] = [await connections.addNode({ status }), await connections.addNode()];
    await refresh();
    const placed = await connections.place(unusable);
    const waited = confirmWhenWaitedFor(other);
    const before = (await outcomes())['moved'] ?? 0;
    expect(await confirm(placed)).toMatchObject({ outcome: 'active', connection: { nodeId: other, id: placed.id } });
    expect((await outcomes())['moved']).toBe(before + 1);
    expect(waited.mock.calls.map(([, { revision }]) => revision)).toEqual([placed.revision + 1]);
  });

  it('releases the connection without a trace when no node acknowledges it', async () => {
    const unusable = await connections.addNode({ status: 'unhealthy' });
    await refresh();
    const placed = await connections.place(unusable);
    expect(await confirm(placed)).toEqual({ outcome: 'released' });
    expect(await connections.row(placed.id)).toBeUndefined();
  });

  it('accepts an acknowledgement that arrives during the release, and counts it as late', async () => {
    const node = await connections.addNode();
    await refresh();
    const placed = await connections.place(node);
    const store = connections.get(AllocationStore);
    const release = store.release.bind(store);
    vi.spyOn(connections.get(AckWaiterService), 'isActiveWithin').mockResolvedValue(false);
    vi.spyOn(store, 'release').mockImplementation(async (connection) => {
      await connections.get(OutboxStore).acknowledgeAdded(node, [placed]);
      return release(connection);
    });
    const before = await outcomes();
    expect(await confirm(placed)).toMatchObject({ outcome: 'active', connection: { id: placed.id } });
    expect(await outcomes()).toEqual({ ...before, late: (before['late'] ?? 0) + 1 });
  });

  it('reports a connection that another request has moved as changed', async () => {
    const [node, other] = [await connections.addNode(), await connections.addNode()];
    const placed = await connections.place(node);
    await connections.setNode(node, 'unhealthy');
    await connections.setNode(other, 'unhealthy');
    await refresh();
    const moved = await connections.get(AllocationStore).move(placed, other, 100, placed.salt);
    expect(await confirm(placed)).toEqual({ outcome: 'changed', known: moved });
  });
});
