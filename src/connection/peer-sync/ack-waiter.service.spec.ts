import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startConnections, type TestConnections } from '../../../test/support/connections.js';
import { AckWaiterService } from './ack-waiter.service.js';
import { OutboxStore } from './outbox.store.js';
import { PeerSignalsService } from './peer-signals.service.js';

/** No test waits as long as this. */
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
const say = (...placements: { id: string; revision: number }[]) =>
  connections.get(PeerSignalsService).nowActive(placements);

describe('without a poll, waiting for an acknowledgement', () => {
  it('ends at the signal, for every request that waits for the placement', async () => {
    const placement = await connections.place(node);
    const waits = [1, 2, 3].map(() => waiter().isActiveWithin(longMs, placement));
    say(placement);
    expect(await Promise.all(waits)).toEqual([true, true, true]);
  });

  it('ends when the time is over, whatever is said of others or of another placement of the same connection', async () => {
    const [placement, other] = [await connections.place(node), await connections.place(node)];
    const wait = waiter().isActiveWithin(50, placement);
    say(other, { ...placement, revision: placement.revision + 1 });
    expect(await wait).toBe(false);
  });

  it('goes on when another request for the same placement gives up', async () => {
    const placement = await connections.place(node);
    const patient = waiter().isActiveWithin(longMs, placement);
    expect(await waiter().isActiveWithin(1, placement)).toBe(false);
    say(placement);
    expect(await patient).toBe(true);
  });

  it('holds for ten thousand requests of one client', async () => {
    const placement = await connections.place(node);
    const waits = Array.from({ length: 10_000 }, () => waiter().isActiveWithin(longMs, placement));
    say(placement);
    expect(new Set(await Promise.all(waits))).toEqual(new Set([true]));
  });
});

describe('the poll', () => {
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

  it('finds what a lost signal would have said, and asks only for what is still waited for', async () => {
    const [active, waiting] = [await connections.place(node), await connections.place(node)];
    await polling.isActiveWithin(1, await connections.place(node));
    const asked = vi.spyOn(outbox, 'findActive');
    const [first, second] = [active, waiting].map((placement) => polling.isActiveWithin(longMs, placement));
    await connections.set(active.id, 'active');
    expect(await first).toBe(true);
    const idsOf = (call: Parameters<OutboxStore['findActive']>) => call[0].map(({ id }) => id);
    const before = asked.mock.calls.length;
    expect(idsOf(asked.mock.lastCall ?? [[]])).toEqual([active.id, waiting.id]);
    await expect.poll(() => asked.mock.calls.length).toBeGreaterThan(before + 1);
    expect(idsOf(asked.mock.lastCall ?? [[]])).toEqual([waiting.id]);
    await connections.set(waiting.id, 'active');
    expect(await second).toBe(true);
  });

  it('takes an earlier placement for nothing', async () => {
    const placement = await connections.place(node);
    await connections.set(placement.id, 'active');
    const earlier = { ...placement, revision: placement.revision - 1 };
    expect(await outbox.findActive([earlier])).toEqual([]);
    expect(await outbox.findActive([placement, earlier])).toEqual([{ id: placement.id, revision: placement.revision }]);
  });

  it('outlives a database that does not answer', async () => {
    const placement = await connections.place(node);
    const wait = polling.isActiveWithin(longMs, placement);
    const asked = vi.spyOn(outbox, 'findActive');
    asked.mockRejectedValueOnce(new Error('away'));
    await expect.poll(() => asked.mock.calls.length).toBeGreaterThan(1);
    await connections.set(placement.id, 'active');
    expect(await wait).toBe(true);
  });
});
