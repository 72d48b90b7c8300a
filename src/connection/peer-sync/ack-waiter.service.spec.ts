import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startConnections, type TestConnections } from '../../../test/support/connections.js';
import { AckWaiterService } from './ack-waiter.service.js';
import { OutboxStore } from './outbox.store.js';
import { PeerSignalsService } from './peer-signals.service.js';

/** Longer than any test waits. */
const longMs = 60_000;

let connections: TestConnections;
let node: string;
beforeAll(async () => {
  connections = await startConnections();
  node = await connections.addNode();
});
afterAll(() => connections.stop());
afterEach(() => vi.restoreAllMocks());

const waiter = () => connections.get(AckWaiterService);
const signal = (...placements: { id: string; revision: number }[]) =>
  connections.get(PeerSignalsService).nowActive(placements);

describe('AckWaiterService without a poll', () => {
  it('resolves every request that waits for the placement at the signal', async () => {
    const placement = await connections.place(node);
    const waits = [1, 2, 3].map(() => waiter().isActiveWithin(longMs, placement));
    signal(placement);
    expect(await Promise.all(waits)).toEqual([true, true, true]);
  });

  it('resolves to false after the timeout, despite signals for other placements, also of the same connection', async () => {
    const [placement, other] = [await connections.place(node), await connections.place(node)];
    const wait = waiter().isActiveWithin(50, placement);
    signal(other, { ...placement, revision: placement.revision + 1 });
    expect(await wait).toBe(false);
  });

  it('keeps waiting when another request for the same placement times out', async () => {
    const placement = await connections.place(node);
    const patient = waiter().isActiveWithin(longMs, placement);
    expect(await waiter().isActiveWithin(1, placement)).toBe(false);
    signal(placement);
    expect(await patient).toBe(true);
  });

  it('resolves ten thousand requests of one client', async () => {
    const placement = await connections.place(node);
    const waits = Array.from({ length: 10_000 }, () => waiter().isActiveWithin(longMs, placement));
    signal(placement);
    expect(new Set(await Promise.all(waits))).toEqual(new Set([true]));
  });
});

describe('the poll of AckWaiterService', () => {
  let polling: AckWaiterService;
  let outbox: OutboxStore;
  beforeAll(async () => {
    const replica = await connections.addReplica();
    [polling, outbox] = [
      replica.app.get(AckWaiterService, { strict: false }),
      replica.app.get(OutboxStore, { strict: false }),
    ];
    await replica.start();
  });

  it('finds placements whose signal was lost, and queries only those with waiting requests', async () => {
    const [active, waiting] = [await connections.place(node), await connections.place(node)];
    await polling.isActiveWithin(1, await connections.place(node));
    const findActive = vi.spyOn(outbox, 'findActive');
    const [first, second] = [active, waiting].map((placement) => polling.isActiveWithin(longMs, placement));
    await connections.set(active.id, 'active');
    expect(await first).toBe(true);
    const idsOf = (call: Parameters<OutboxStore['findActive']>) => call[0].map(({ id }) => id);
    const before = findActive.mock.calls.length;
    expect(idsOf(findActive.mock.lastCall ?? [[]])).toEqual([active.id, waiting.id]);
    await expect.poll(() => findActive.mock.calls.length).toBeGreaterThan(before + 1);
    expect(idsOf(findActive.mock.lastCall ?? [[]])).toEqual([waiting.id]);
    await connections.set(waiting.id, 'active');
    expect(await second).toBe(true);
  });

  it('ignores an earlier placement of the connection', async () => {
    const placement = await connections.place(node);
    await connections.set(placement.id, 'active');
    const earlier = { ...placement, revision: placement.revision - 1 };
    expect(await outbox.findActive([earlier])).toEqual([]);
    expect(await outbox.findActive([placement, earlier])).toEqual([{ id: placement.id, revision: placement.revision }]);
  });

  it('continues after a database error', async () => {
    const placement = await connections.place(node);
    const wait = polling.isActiveWithin(longMs, placement);
    const findActive = vi.spyOn(outbox, 'findActive');
    findActive.mockRejectedValueOnce(new Error('down'));
    await expect.poll(() => findActive.mock.calls.length).toBeGreaterThan(1);
    await connections.set(placement.id, 'active');
    expect(await wait).toBe(true);
  });
});
