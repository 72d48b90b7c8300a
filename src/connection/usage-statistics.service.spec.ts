import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { addLocation } from '../../test/support/fleet.js';
import { startConnections, type TestConnections } from '../../test/support/connections.js';
import { NodeDirectoryService } from '../nodes/index.js';
import { NetworkMaintenance } from '../prisma/network/index.js';
import { UsageStatisticsService } from './usage-statistics.service.js';
import { UsageStore } from './usage.store.js';

let connections: TestConnections;
let usage: UsageStatisticsService;
beforeAll(async () => {
  connections = await startConnections();
  await addLocation(connections.replica, 'se-malmo');
  usage = connections.get(UsageStatisticsService);
});
beforeEach(async () => {
  connections.clock.set('2030-01-01T12:00:00Z');
  await connections.sql('TRUNCATE "UsageTally", "DailyUsage"');
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => connections.stop());

const redeem = (count: number, location = 'de-frankfurt') => {
  for (let index = 0; index < count; index += 1) usage.recordRedemption(location);
};
const close = async (at: string) => {
  connections.clock.set(at);
  expect(await connections.get(NetworkMaintenance).runOnce('close-usage')).toBe(true);
};
const tallies = () =>
  connections.sql('SELECT epoch::text, location_id, redemptions, peak FROM "UsageTally" ORDER BY 1, 2');
const daily = async () =>
  (await usage.daily(30)).map(({ epoch, ...rest }) => ({ epoch: epoch.toISOString().slice(0, 10), ...rest }));
const day = (redemptions: string, peak = '<20', locationId = 'de-frankfurt', epoch = '2030-01-01') => ({
  epoch,
  locationId,
  redemptions,
  peak,
});

describe('UsageStatisticsService', () => {
  it('sums up redemptions by day and location over all replicas, and shows a day only once it is closed', async () => {
    redeem(15);
    await usage.flush();
    redeem(10);
    redeem(30, 'se-malmo');
    await usage.flush();
    const other = await connections.addReplica();
    const elsewhere = other.app.get(UsageStatisticsService, { strict: false });
    for (let index = 0; index < 5; index += 1) elsewhere.recordRedemption('de-frankfurt');
    await elsewhere.flush();
    expect(await tallies()).toEqual([
      { epoch: '2030-01-01', location_id: 'de-frankfurt', redemptions: 30, peak: 0 },
      { epoch: '2030-01-01', location_id: 'se-malmo', redemptions: 30, peak: 0 },
    ]);
    await close('2030-01-01T23:59:59Z');
    await close('2030-01-02T00:09:59Z');
    expect(await daily()).toEqual([]);
    await close('2030-01-02T00:10:00Z');
    expect(await daily()).toEqual([day('30'), day('30', '<20', 'se-malmo')]);
    expect(await tallies()).toEqual([]);
  });

  it.each([
    [19, '<20'],
    [20, '20'],
    [1, '<20'],
  ])('stores %i redemptions as %s', async (count, kept) => {
    redeem(count);
    await usage.flush();
    await close('2030-01-02T00:10:00Z');
    expect(await daily()).toEqual([day(kept)]);
  });

  it('counts a redemption for the day on which it happened, even when it is written later', async () => {
    connections.clock.set('2030-01-01T23:59:50Z');
    redeem(20);
    connections.clock.set('2030-01-02T00:00:10Z');
    redeem(25);
    await usage.flush();
    await close('2030-01-03T00:10:00Z');
    expect(await daily()).toEqual([day('25', '<20', 'de-frankfurt', '2030-01-02'), day('20')]);
  });

  it('keeps counts that cannot be written, and writes them once', async () => {
    const add = vi.spyOn(connections.get(UsageStore), 'add').mockRejectedValueOnce(new Error('down'));
    redeem(20);
    await expect(usage.flush()).rejects.toThrow('down');
    redeem(1);
    await usage.flush();
    await usage.flush();
    expect(add.mock.calls).toHaveLength(2);
    expect(await tallies()).toMatchObject([{ redemptions: 21 }]);
  });

  it('does not write one day twice when writing another day fails', async () => {
    redeem(20);
    connections.clock.set('2030-01-02T00:00:10Z');
    redeem(20);
    const store = connections.get(UsageStore);
    const add = store.add.bind(store);
    vi.spyOn(store, 'add').mockImplementationOnce(add).mockRejectedValueOnce(new Error('down'));
    await expect(usage.flush()).rejects.toThrow('down');
    await usage.flush();
    expect(await tallies()).toMatchObject([{ redemptions: 20 }, { redemptions: 20 }]);
  });

  it('writes its counts when the process stops', async () => {
    const replica = await connections.addReplica();
    await replica.start();
    replica.app.get(UsageStatisticsService, { strict: false }).recordRedemption('de-frankfurt');
    await replica.stop();
    expect(await tallies()).toMatchObject([{ redemptions: 1 }]);
  });

  it('closes each day once, and does not add later counts to a closed day', async () => {
    redeem(20);
    await usage.flush();
    await close('2030-01-02T00:10:00Z');
    await connections
      .get(UsageStore)
      .add(new Date('2030-01-01'), new Map([['de-frankfurt', { redemptions: 50, peak: 0 }]]));
    await close('2030-01-02T00:20:00Z');
    expect([await daily(), await tallies()]).toEqual([[day('20')], []]);
  });

  it('lists the given number of days, newest first', async () => {
    for (const date of ['2030-01-01', '2030-01-02', '2030-01-03']) {
      await connections.get(UsageStore).add(new Date(date), new Map([['de-frankfurt', { redemptions: 1, peak: 1 }]]));
    }
    await close('2030-01-04T00:10:00Z');
    const days = (await usage.daily(2)).map(({ epoch }) => epoch.toISOString().slice(0, 10));
    expect(days).toEqual(['2030-01-03', '2030-01-02']);
  });
});

describe('UsageStatisticsService: the peak', () => {
  it('is the highest number of simultaneous connections at a location, over all its nodes', async () => {
    const [one, two] = [await connections.addNode(), await connections.addNode()];
    const malmo = await connections.addNode({ locationId: 'se-malmo' });
    await connections.get(NodeDirectoryService).refresh();
    const seen = (...counts: [string, number][]) => usage.recordLive(new Map(counts));
    seen([one, 20], [two, 15], [malmo, 7]);
    seen([one, 30], [two, 1], ['3f2f6f0e-0000-4000-8000-000000000000', 99]);
    await usage.flush();
    seen([one, 5], [malmo, 40]);
    await usage.flush();
    await close('2030-01-02T00:10:00Z');
    expect(await daily()).toEqual([day('<20', '35'), day('<20', '40', 'se-malmo')]);
  });

  it('is kept when a write fails', async () => {
    const node = await connections.addNode();
    await connections.get(NodeDirectoryService).refresh();
    vi.spyOn(connections.get(UsageStore), 'add').mockRejectedValueOnce(new Error('down'));
    usage.recordLive(new Map([[node, 50]]));
    await expect(usage.flush()).rejects.toThrow('down');
    usage.recordLive(new Map([[node, 30]]));
    await usage.flush();
    expect(await tallies()).toMatchObject([{ peak: 50 }]);
  });
});
