import { describe, expect, it } from 'vitest';
import { wirePeer, type WirePeer } from '../test/fake-backend.js';
import { ManualTiming } from '../test/manual-timing.js';
import { type DriverPeer, MemoryDriver } from './peer-driver.js';
import { type Applied, type Change, PeerWriter } from './peer-writer.js';
import { parsePeerList, type Peer } from './protocol.js';

/** Records the order of its calls. */
class RecordingDriver extends MemoryDriver {
  readonly calls: string[] = [];

  override async apply(peers: readonly DriverPeer[]): Promise<void> {
    this.calls.push('apply');
    await super.apply(peers);
  }

  override async remove(publicKeys: readonly string[]): Promise<void> {
    this.calls.push('remove');
    await super.remove(publicKeys);
  }
}

function peer(number: number, changes: Partial<WirePeer> = {}): Peer {
  return parsePeerList({ peers: [wirePeer(number, changes)] })!.peers[0]!;
}

function list(complete: boolean, ...peers: Peer[]): Change {
  return { type: 'list', list: { complete, peers, rejected: 0 }, except: new Set() };
}

function setUp() {
  const driver = new RecordingDriver();
  const applied: Applied[] = [];
  const timing = new ManualTiming();
  const writer = new PeerWriter(driver, timing, new AbortController().signal, (batch) => applied.push(batch));
  const write = async (...changes: Change[]) => {
    for (const change of changes) writer.push(change);
    await writer.idle();
    return { keys: (await driver.list()).map(({ publicKey }) => publicKey), acked: applied.at(-1) };
  };
  return { driver, applied, timing, write };
}

describe('PeerWriter', () => {
  it('acknowledges no peer that the same batch removes again', async () => {
    const { write } = setUp();
    const removed = { connectionId: 'connection-1', revision: peer(1).revision };
    const { keys, acked } = await write({ type: 'added', peer: peer(1) }, { type: 'removed', removed });
    expect(keys).toEqual([]);
    expect(acked).toEqual({ added: [], removed: [removed], synced: false });
  });

  it('applies the latest placement of a connection, and acknowledges that one alone', async () => {
    const { write, applied } = setUp();
    const [before, after] = [peer(1, { revision: 5 }), { ...peer(2, { revision: 4 }), connectionId: 'connection-1' }];
    const { keys } = await write({ type: 'added', peer: before }, { type: 'added', peer: after });
    expect(keys).toEqual([after.publicKey]);
    expect(applied.flatMap(({ added }) => added.map(({ revision }) => revision))).toEqual([4]);
  });

  it('removes before it adds, so that addresses are free', async () => {
    const { driver, write } = setUp();
    await write({ type: 'added', peer: peer(1) });
    driver.calls.length = 0;
    const { keys } = await write({ type: 'added', peer: { ...peer(2), allowedIps: peer(1).allowedIps } });
    expect(keys).toEqual([peer(2).publicKey]);
    expect(driver.calls).toEqual(['remove', 'apply']);
  });

  it('removes an unknown peer from the driver only after a complete list', async () => {
    const { driver, write } = setUp();
    await driver.apply([{ publicKey: 'unknown', presharedKey: '', allowedIps: [] }]);
    expect((await write(list(false, peer(1)))).keys).toEqual(['unknown', peer(1).publicKey]);
    expect((await write(list(true, peer(1)))).keys).toEqual([peer(1).publicKey]);
  });

  it('does not rewrite peers that an earlier run left in the driver', async () => {
    const { driver, write } = setUp();
    const { publicKey, presharedKey, allowedIps } = peer(1);
    await driver.apply([{ publicKey, presharedKey, allowedIps: [...allowedIps].reverse() }]);
    driver.calls.length = 0;
    await write(list(true, peer(1)));
    expect(driver.calls).toEqual([]);
  });

  it('skips expired peers of a list', async () => {
    const { timing, write } = setUp();
    const ended = peer(1, { expires_at: new Date(timing.now()).toISOString() });
    const { keys, acked } = await write(list(true, ended, peer(2)));
    expect(keys).toEqual([peer(2).publicKey]);
    expect(acked?.added.map(({ connectionId }) => connectionId)).toEqual(['connection-2']);
  });
});
