import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { wirePeer } from '../test/fake-backend.js';
import { Harness, keysOf, until } from '../test/harness.js';
import { MemoryCredentialStore } from './credentials.js';
import { type DriverPeer } from './peer-driver.js';

let harness: Harness;

beforeEach(async () => {
  harness = await Harness.start();
});

afterEach(async () => {
  await harness.stop();
});

describe('NodeAgent without its backend', () => {
  it('keeps its peers, reconnects and applies what has changed', async () => {
    harness.backend.peers = [wirePeer(1, { status: 'active' }), wirePeer(2, { status: 'active' })];
    const agent = await harness.synced();
    harness.backend.goOffline();
    await harness.timing.advance(300_000);
    expect(await harness.driverKeys()).toEqual(keysOf(1, 2));
    expect(agent.status().link).toBe('connecting');

    harness.backend.peers = [wirePeer(2, { status: 'active' }), wirePeer(3)];
    harness.backend.goOnline();
    await harness.advanceUntil(async () => {
      expect(await harness.driverKeys()).toEqual(keysOf(2, 3));
    }, 1_000);
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-3@1']));
  });

  it('restores known peers in the driver, and removes no unknown ones', async () => {
    harness.backend.peers = [wirePeer(1, { status: 'active' }), wirePeer(2, { status: 'active' })];
    const agent = await harness.synced();
    harness.backend.goOffline();
    await harness.driver.remove([wirePeer(1).public_key]);
    const { public_key: publicKey, preshared_key: presharedKey, allowed_ips: allowedIps } = wirePeer(3);
    await harness.driver.apply([{ publicKey, presharedKey, allowedIps }]);
    agent.reconcile();
    await until(async () => expect(await harness.driverKeys()).toEqual(keysOf(1, 2, 3)));
  });

  it('opens a new stream when one breaks', async () => {
    const agent = await harness.synced();
    harness.backend.dropStreams();
    await harness.advanceUntil(async () => {
      expect(harness.backend.streamsOpened).toBe(2);
    }, 250);
    await until(() => expect(agent.status().link).toBe('connected'));
  });

  it('opens a new stream when the old one is silent for three heartbeats', async () => {
    await harness.synced();
    await harness.timing.advance(44_000);
    expect(harness.backend.streamsOpened).toBe(1);
    await harness.advanceUntil(async () => {
      expect(harness.backend.streamsOpened).toBe(2);
    }, 500);
  });

  it('removes a peer when it expires', async () => {
    const inAMinute = new Date(harness.timing.now() + 60_000).toISOString();
    harness.backend.peers = [
      wirePeer(1, { status: 'active', expires_at: inAMinute }),
      wirePeer(2, { status: 'active' }),
    ];
    await harness.synced();
    harness.backend.goOffline();
    await harness.timing.advance(58_000);
    expect(await harness.driverKeys()).toEqual(keysOf(1, 2));
    await harness.timing.advance(3_000);
    expect(await harness.driverKeys()).toEqual(keysOf(2));
  });

  it('neither applies nor acknowledges an expired peer', async () => {
    await harness.synced();
    harness.backend.send('peer-added', wirePeer(1, { expires_at: new Date(harness.timing.now()).toISOString() }));
    harness.backend.send('peer-added', wirePeer(2));
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-2@1']));
    expect(await harness.driverKeys()).toEqual(keysOf(2));
  });
});

describe('NodeAgent: reconciling', () => {
  it('repairs differences in the driver once a minute', async () => {
    harness.backend.peers = [wirePeer(1, { status: 'active' }), wirePeer(2, { status: 'active' })];
    const agent = await harness.synced();
    await harness.driver.remove([wirePeer(1).public_key]);
    await harness.driver.apply([{ publicKey: 'unknown', presharedKey: '', allowedIps: [] }]);
    await harness.passTime(66);
    await until(async () => expect(await harness.driverKeys()).toEqual(keysOf(1, 2)));
    expect(agent.status().driftRepaired).toBe(2);
  });

  it('writes nothing when nothing differs', async () => {
    harness.backend.peers = [wirePeer(1, { status: 'active' })];
    await harness.synced();
    const writes = [vi.spyOn(harness.driver, 'apply'), vi.spyOn(harness.driver, 'remove')];
    const listed = vi.spyOn(harness.driver, 'list');
    await harness.passTime(66);
    await until(() => expect(listed).toHaveBeenCalled());
    for (const write of writes) expect(write).not.toHaveBeenCalled();
  });

  it.each([
    ['an incomplete list', () => (harness.backend.complete = undefined)],
    ['a list with an invalid entry', () => harness.backend.peers.push({ connection_id: 'connection-1' })],
  ])('removes no peer because of %s', async (_, spoil) => {
    harness.backend.peers = [wirePeer(1, { status: 'active' }), wirePeer(2, { status: 'active' })];
    await harness.synced();
    harness.backend.peers = [wirePeer(3)];
    spoil();
    await harness.passTime(66);
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-3@1']));
    harness.backend.dropStreams();
    await harness.advanceUntil(async () => {
      expect(harness.backend.streamsOpened).toBe(2);
    }, 250);
    harness.backend.send('peer-added', wirePeer(4));
    await until(async () => expect(await harness.driverKeys()).toEqual(keysOf(1, 2, 3, 4)));
  });

  it.each([500, 404])('removes no peer after a response with status %s', async (status) => {
    harness.backend.peers = [wirePeer(1, { status: 'active' })];
    await harness.synced();
    harness.backend.intercept = (path) => (path.endsWith('/peers') ? status : undefined);
    await harness.passTime(66);
    await until(() => expect(harness.backend.requests).toContain('GET /node/node-1/peers'));
    await harness.timing.advance(1_000);
    expect(await harness.driverKeys()).toEqual(keysOf(1));
  });

  it('removes all peers after a complete, empty list', async () => {
    harness.backend.peers = [wirePeer(1, { status: 'active' }), wirePeer(2, { status: 'active' })];
    await harness.synced();
    harness.backend.peers = [];
    await harness.passTime(66);
    await until(async () => expect(await harness.driverKeys()).toEqual([]));
  });

  it('does not let an older list undo newer events of the stream', async () => {
    const old = [wirePeer(1, { status: 'active' })];
    harness.backend.peers = old;
    await harness.synced();
    let release = () => {};
    const listIsHeld = new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
    harness.backend.intercept = (path) => (path.endsWith('/peers') ? listIsHeld : undefined);
    await harness.passTime(66);
    await until(() => expect(harness.backend.requests).toContain('GET /node/node-1/peers'));
    harness.backend.send('peer-removed', {
      connection_id: 'connection-1',
      revision: 1,
      public_key: wirePeer(1).public_key,
    });
    harness.backend.send('peer-added', wirePeer(2));
    await until(async () => expect(await harness.driverKeys()).toEqual(keysOf(2)));
    const listed = vi.spyOn(harness.driver, 'list');
    release();
    await until(() => expect(listed).toHaveBeenCalled());
    expect(await harness.driverKeys()).toEqual(keysOf(2));
  });

  it('discards a list that is older than the latest snapshot', async () => {
    await harness.synced();
    let release = () => {};
    const listIsHeld = new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
    harness.backend.intercept = (path) => (path.endsWith('/peers') ? listIsHeld : undefined);
    await harness.passTime(66);
    await until(() => expect(harness.backend.requests).toContain('GET /node/node-1/peers'));
    harness.backend.send('snapshot', { complete: true, peers: [wirePeer(1)] });
    await until(async () => expect(await harness.driverKeys()).toEqual(keysOf(1)));
    release();
    harness.backend.send('peer-added', wirePeer(2));
    await until(async () => expect(await harness.driverKeys()).toEqual(keysOf(1, 2)));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await harness.driverKeys()).toEqual(keysOf(1, 2));
  });
});

describe('NodeAgent: the driver', () => {
  it('is called again after a failure, and nothing is acknowledged before it succeeds', async () => {
    const agent = await harness.synced();
    const apply = harness.driver.apply.bind(harness.driver);
    let failures = 2;
    harness.driver.apply = async (peers: readonly DriverPeer[]) => {
      if (failures-- > 0) throw new Error('device busy');
      await apply(peers);
    };
    harness.backend.send('peer-added', wirePeer(1));
    await until(() => expect(agent.status().driverFailures).toBe(1));
    expect(harness.backend.acks).toEqual([]);
    await harness.advanceUntil(async () => {
      expect(harness.backend.acked.added).toEqual(['connection-1@1']);
    }, 500);
    expect(agent.status()).toMatchObject({ peers: 1, driverFailures: 2 });
  });

  it('gets one call at a time', async () => {
    let busy = 0;
    const exclusive =
      <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
      async (...args: A) => {
        expect(++busy).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 1));
        busy--;
        return call(...args);
      };
    harness.driver.apply = exclusive(harness.driver.apply.bind(harness.driver));
    harness.driver.remove = exclusive(harness.driver.remove.bind(harness.driver));
    harness.driver.list = exclusive(harness.driver.list.bind(harness.driver));
    const agent = await harness.synced();
    for (let number = 0; number < 50; number++) {
      harness.backend.send('peer-added', wirePeer(number));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => expect(harness.backend.acked.added).toHaveLength(50));
    expect(agent.status().driverFailures).toBe(0);
  });
});

describe('NodeAgent: a refused credential', () => {
  it('is replaced at once by a newly stored one, so an acknowledgement is not late', async () => {
    const credentials = new MemoryCredentialStore();
    await harness.synced({ credentials });
    harness.backend.credential = 'credential-2';
    await credentials.save({ ...(await credentials.load())!, credential: 'credential-2' });
    harness.backend.send('peer-added', wirePeer(1));
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-1@1']));
  });

  it('is retried rarely, keeps the peers, and is replaced when a new one is stored', async () => {
    const credentials = new MemoryCredentialStore();
    harness.backend.peers = [wirePeer(1, { status: 'active' })];
    const agent = await harness.synced({ credentials });
    harness.backend.credential = 'credential-2';
    harness.backend.dropStreams();
    await harness.advanceUntil(async () => {
      expect(agent.status().link).toBe('refused');
    }, 250);
    const before = harness.backend.requests.length;
    await harness.timing.advance(29_000);
    expect(harness.backend.requests.length - before).toBeLessThan(5);
    expect(await harness.driverKeys()).toEqual(keysOf(1));

    await credentials.save({ ...(await credentials.load())!, credential: 'credential-2' });
    await harness.advanceUntil(async () => {
      expect(agent.status().link).toBe('connected');
    }, 1_000);
  });
});
