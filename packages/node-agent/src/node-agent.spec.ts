import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { wirePeer } from '../test/fake-backend.js';
import { Harness, keysOf, until } from '../test/harness.js';
import { MemoryCredentialStore } from './credentials.js';

let harness: Harness;

beforeEach(async () => {
  harness = await Harness.start();
});

afterEach(async () => {
  await harness.stop();
});

describe('enrolling', () => {
  it('registers once, and uses the stored credential after that', async () => {
    const credentials = new MemoryCredentialStore();
    const first = await harness.enrol({ credentials });
    await harness.enrol({ credentials });
    expect(harness.backend.registrations).toEqual([
      {
        public_key: 'node-key',
        ip: '192.0.2.1',
        location_id: 'de-frankfurt',
        capacity: 100,
        authorization: 'Bearer enrolment-token',
      },
    ]);
    expect(first.node).toEqual({
      id: 'node-1',
      interface: { addresses: ['10.64.0.1/16', 'fdb7:4a2c:91e6::1/112'], listenPort: 51820, mtu: 1420 },
    });
  });

  it('says why it was refused', async () => {
    harness.backend.intercept = () => 401;
    await expect(harness.enrol()).rejects.toMatchObject({ name: 'BackendError', status: 401 });
  });
});

describe('following the backend', () => {
  it('applies the snapshot and acknowledges what is pending', async () => {
    harness.backend.peers = [wirePeer(1), wirePeer(2, { status: 'active' })];
    await harness.synced();
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-1@1']));
    const { public_key, preshared_key, allowed_ips } = wirePeer(1);
    expect(await harness.driver.list()).toContainEqual({
      publicKey: public_key,
      presharedKey: preshared_key,
      allowedIps: allowed_ips,
    });
    expect(await harness.held()).toEqual(keysOf(1, 2));
  });

  it('applies an added peer and acknowledges its revision', async () => {
    await harness.synced();
    harness.backend.send('peer-added', wirePeer(3, { revision: 7 }));
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-3@7']));
    expect(await harness.held()).toEqual(keysOf(3));
  });

  it('removes a peer, and acknowledges a removal of one it never held', async () => {
    harness.backend.peers = [wirePeer(1, { status: 'active' })];
    await harness.synced();
    harness.backend.send('peer-removed', {
      connection_id: 'connection-1',
      revision: 1,
      public_key: wirePeer(1).public_key,
    });
    harness.backend.send('peer-removed', {
      connection_id: 'connection-9',
      revision: 4,
      public_key: wirePeer(9).public_key,
    });
    await until(() => expect(harness.backend.acked.removed).toEqual(['connection-1@1', 'connection-9@4']));
    expect(await harness.held()).toEqual([]);
  });

  it('keeps a peer when the removal of another placement comes late', async () => {
    harness.backend.peers = [wirePeer(1, { revision: 5 })];
    await harness.synced();
    harness.backend.send('peer-removed', {
      connection_id: 'connection-1',
      revision: 4,
      public_key: wirePeer(1).public_key,
    });
    await until(() => expect(harness.backend.acked.removed).toEqual(['connection-1@4']));
    expect(await harness.held()).toEqual(keysOf(1));
  });

  it('gives a key or an address to the connection that claimed it last', async () => {
    harness.backend.peers = [wirePeer(1, { status: 'active' }), wirePeer(2, { status: 'active' })];
    await harness.synced();
    harness.backend.send('peer-added', { ...wirePeer(3), public_key: wirePeer(1).public_key });
    harness.backend.send('peer-added', { ...wirePeer(4), allowed_ips: wirePeer(2).allowed_ips });
    harness.backend.send('peer-removed', {
      connection_id: 'connection-1',
      revision: 1,
      public_key: wirePeer(1).public_key,
    });
    await until(() => expect(harness.backend.acked.removed).toHaveLength(1));
    const peers = new Map((await harness.driver.list()).map(({ publicKey, allowedIps }) => [publicKey, allowedIps]));
    expect(peers).toEqual(
      new Map([
        [wirePeer(1).public_key, wirePeer(3).allowed_ips],
        [wirePeer(4).public_key, wirePeer(2).allowed_ips],
      ]),
    );
  });

  it('reads events however they are cut into chunks', async () => {
    await harness.synced();
    const bytes = Buffer.from(`: ä comment\nevent: peer-added\ndata: ${JSON.stringify(wirePeer(1))}\n\n`);
    for (const byte of bytes) {
      harness.backend.sendRaw(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-1@1']));
  });

  it('passes over what it cannot read, and counts it', async () => {
    const agent = await harness.synced();
    harness.backend.sendRaw('event: peer-added\ndata: {"connection\n\n');
    harness.backend.send('peer-added', wirePeer(1, { allowed_ips: ['0.0.0.0/0'] }));
    harness.backend.send('peer-added', wirePeer(1, { public_key: '--help' }));
    harness.backend.send('peer-added', wirePeer(2));
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-2@1']));
    expect(await harness.held()).toEqual(keysOf(2));
    expect(agent.status().rejected).toBe(3);
  });

  it('remembers to drain', async () => {
    const agent = await harness.synced();
    harness.backend.send('drain', {});
    await until(() => expect(agent.status().draining).toBe(true));
  });
});

describe('acknowledging', () => {
  it('sends in one request what came up during the one before', async () => {
    let release = () => {};
    const firstIsHeld = new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
    harness.backend.intercept = (path) => (path.endsWith('/acks') ? firstIsHeld : undefined);
    await harness.synced();
    harness.backend.send('peer-added', wirePeer(0));
    await until(() => expect(harness.backend.requests).toContain('POST /node/node-1/acks'));
    for (let number = 1; number <= 2_000; number++) harness.backend.send('peer-added', wirePeer(number));
    await until(async () => expect(await harness.held()).toHaveLength(2_001));
    release();
    await until(() => expect(harness.backend.acked.added).toHaveLength(2_001));
    expect(harness.backend.acks).toHaveLength(2);
  });

  it('tries again until the backend has it', async () => {
    let failures = 2;
    harness.backend.intercept = (path) => (path.endsWith('/acks') && failures-- > 0 ? 503 : undefined);
    const agent = await harness.synced();
    harness.backend.send('peer-added', wirePeer(1));
    await until(() => expect(agent.status()).toMatchObject({ peers: 1, unacknowledged: 1 }));
    await harness.advanceUntil(async () => {
      expect(harness.backend.acked.added).toEqual(['connection-1@1']);
    }, 1_000);
    await until(() => expect(agent.status().unacknowledged).toBe(0));
  });
});

describe('pulsing', () => {
  it('tells its load at once and then as often as asked', async () => {
    harness.backend.nextPulse = 5;
    const agent = await harness.synced({ load: () => 45.4 });
    await until(() => expect(harness.backend.pulses).toEqual([{ currentLoad: 45, peers: 0 }]));
    await until(() =>
      expect(agent.status()).toMatchObject({ nodeStatus: 'healthy', lastPulseAt: harness.timing.now() }),
    );
    await harness.timing.advance(5_000);
    await until(() => expect(harness.backend.pulses).toHaveLength(2));
  });

  it('goes on after a failure', async () => {
    harness.backend.intercept = (path) => (path.endsWith('/pulse') ? 503 : undefined);
    await harness.synced();
    await until(() => expect(harness.backend.requests).toContain('POST /node/node-1/pulse'));
    harness.backend.intercept = () => undefined;
    await harness.advanceUntil(async () => {
      expect(harness.backend.pulses.length).toBeGreaterThan(0);
    }, 1_000);
  });
});

describe('stopping', () => {
  it('ends everything under way and leaves the peers', async () => {
    harness.backend.peers = [wirePeer(1)];
    const stop = new AbortController();
    const agent = await harness.enrol();
    agent.start(stop.signal);
    await agent.whenSynced();
    stop.abort();
    await agent.stop();
    expect(agent.status().link).toBe('stopped');
    expect(await harness.held()).toEqual(keysOf(1));
    const requests = harness.backend.requests.length;
    await harness.timing.advance(300_000);
    expect(harness.backend.requests).toHaveLength(requests);
  });

  it('does not wait for a backend that is away', async () => {
    const agent = await harness.enrol();
    await harness.backend.close();
    agent.start();
    await agent.stop();
    await harness.backend.open();
  });
});
