import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { wirePeer, wireTunnel } from '../test/fake-backend.js';
import { Harness, keysOf, until } from '../test/harness.js';
import { MemoryCredentialStore } from './credentials.js';
import { type Meter, type Reading } from './meter.js';

let harness: Harness;

const meterOf = (reading: Reading): Meter => ({ read: () => reading, markReported: () => undefined });

beforeEach(async () => {
  harness = await Harness.start();
});

afterEach(async () => {
  await harness.stop();
});

describe('NodeAgent.enrol', () => {
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
      interface: {
        addresses: wireTunnel.addresses,
        resolvers: wireTunnel.resolvers,
        listenPort: 51820,
        mtu: 1420,
      },
    });
  });

  it('refuses interface settings that are no safe arguments for a program', async () => {
    const invalid = [
      { mtu: 100 },
      { listen_port: 0 },
      { addresses: ['10.64.0.1/16', '10.65.0.1/16'] },
      { addresses: ['10.64.0.1/33', 'fdb7:4a2c:91e6::1/112'] },
      { addresses: ['10.64.0.1/16; reboot', 'fdb7:4a2c:91e6::1/112'] },
      { resolvers: { ...wireTunnel.resolvers, ads: ['10.64.0.3', 'fe80::1%}flush ruleset'] } },
      { resolvers: { none: wireTunnel.resolvers.none } },
    ];
    for (const changes of invalid) {
      harness.backend.tunnel = { ...wireTunnel, ...changes };
      await expect(harness.enrol()).rejects.toMatchObject({ code: 'unexpected_answer' });
    }
  });

  it('updates its registration with its own credential when its settings have changed', async () => {
    const credentials = new MemoryCredentialStore();
    await harness.enrol({ credentials });
    harness.backend.registrationAuthorization = 'Bearer credential-1';
    harness.backend.nextCredential = 'credential-2';
    await harness.synced({ credentials, node: { ...harness.node, capacity: 200 } });
    await until(() => expect(harness.backend.registrations).toHaveLength(2));
    expect(harness.backend.registrations[1]).toMatchObject({ capacity: 200, authorization: 'Bearer credential-1' });
    await until(async () => {
      expect(await credentials.load()).toMatchObject({ credential: 'credential-2', registered: { capacity: 200 } });
    });
    await harness.enrol({ credentials, node: { ...harness.node, capacity: 200 } });
    expect(harness.backend.registrations).toHaveLength(2);
  });

  it('registers as another node when its key has changed', async () => {
    const credentials = new MemoryCredentialStore();
    await harness.enrol({ credentials });
    await harness.enrol({ credentials, node: { ...harness.node, publicKey: 'another-key' } });
    expect(harness.backend.registrations[1]).toMatchObject({
      public_key: 'another-key',
      authorization: 'Bearer enrolment-token',
    });
  });

  it('fails with the backend’s reason when it is refused', async () => {
    harness.backend.intercept = () => 401;
    await expect(harness.enrol()).rejects.toMatchObject({ name: 'BackendError', status: 401 });
  });
});

describe('NodeAgent: following the event stream', () => {
  it('applies the snapshot and acknowledges pending connections', async () => {
    harness.backend.peers = [wirePeer(1), wirePeer(2, { status: 'active' })];
    await harness.synced();
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-1@1']));
    const { public_key, preshared_key, allowed_ips } = wirePeer(1);
    expect(await harness.driver.list()).toContainEqual({
      publicKey: public_key,
      presharedKey: preshared_key,
      allowedIps: allowed_ips,
    });
    expect(await harness.driverKeys()).toEqual(keysOf(1, 2));
  });

  it('applies an added peer and acknowledges its revision', async () => {
    await harness.synced();
    harness.backend.send('peer-added', wirePeer(3, { revision: 7 }));
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-3@7']));
    expect(await harness.driverKeys()).toEqual(keysOf(3));
  });

  it('removes a peer, and acknowledges the removal of an unknown one', async () => {
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
    expect(await harness.driverKeys()).toEqual([]);
  });

  it('keeps a peer when the removal of another placement arrives late', async () => {
    harness.backend.peers = [wirePeer(1, { revision: 5 })];
    await harness.synced();
    harness.backend.send('peer-removed', {
      connection_id: 'connection-1',
      revision: 4,
      public_key: wirePeer(1).public_key,
    });
    await until(() => expect(harness.backend.acked.removed).toEqual(['connection-1@4']));
    expect(await harness.driverKeys()).toEqual(keysOf(1));
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

  it('reads events that arrive one byte at a time', async () => {
    await harness.synced();
    const bytes = Buffer.from(`: ä comment\nevent: peer-added\ndata: ${JSON.stringify(wirePeer(1))}\n\n`);
    for (const byte of bytes) {
      harness.backend.sendRaw(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-1@1']));
  });

  it('skips and counts invalid events', async () => {
    const agent = await harness.synced();
    harness.backend.sendRaw('event: peer-added\ndata: {"connection\n\n');
    harness.backend.send('peer-added', wirePeer(1, { allowed_ips: ['0.0.0.0/0'] }));
    harness.backend.send('peer-added', wirePeer(1, { public_key: '--help' }));
    harness.backend.send('peer-added', wirePeer(1, { allowed_ips: ['999.1.1.1/32'] }));
    harness.backend.send('peer-added', wirePeer(2));
    await until(() => expect(harness.backend.acked.added).toEqual(['connection-2@1']));
    expect(await harness.driverKeys()).toEqual(keysOf(2));
    expect(agent.status().rejected).toBe(4);
  });

  it('shows that an operator drains it', async () => {
    const agent = await harness.synced();
    harness.backend.send('drain', {});
    await until(() => expect(agent.status().draining).toBe(true));
  });
});

describe('NodeAgent: acknowledging', () => {
  it('sends all changes that arrive during a request in the next one', async () => {
    let release = () => {};
    const firstIsHeld = new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
    harness.backend.intercept = (path) => (path.endsWith('/acks') ? firstIsHeld : undefined);
    await harness.synced();
    harness.backend.send('peer-added', wirePeer(0));
    await until(() => expect(harness.backend.requests).toContain('POST /node/node-1/acks'));
    for (let number = 1; number <= 2_000; number++) harness.backend.send('peer-added', wirePeer(number));
    await until(async () => expect(await harness.driverKeys()).toHaveLength(2_001));
    release();
    await until(() => expect(harness.backend.acked.added).toHaveLength(2_001));
    expect(harness.backend.acks).toHaveLength(2);
  });

  it('retries until the backend has the acknowledgement', async () => {
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

describe('NodeAgent: pulsing', () => {
  it('sends its load at once and then at the interval of the backend', async () => {
    harness.backend.nextPulse = 5;
    const agent = await harness.synced({ meter: meterOf({ load: 45.4 }) });
    await until(() => expect(harness.backend.pulses).toEqual([{ currentLoad: 45, peers: 0, accepting: true }]));
    await until(() =>
      expect(agent.status()).toMatchObject({ nodeStatus: 'healthy', lastPulseAt: harness.timing.now() }),
    );
    await harness.timing.advance(5_000);
    await until(() => expect(harness.backend.pulses).toHaveLength(2));
  });

  it('counts traffic as reported only when the backend has it', async () => {
    const reported: Reading[] = [];
    let fail = true;
    harness.backend.intercept = (path) => (path.endsWith('/pulse') && fail ? 503 : undefined);
    const reading = { load: 1, rxBytes: 10, txBytes: 20 };
    await harness.synced({ meter: { read: () => reading, markReported: (each) => reported.push(each) } });
    await until(() => expect(harness.backend.requests).toContain('POST /node/node-1/pulse'));
    expect(reported).toEqual([]);
    fail = false;
    await harness.advanceUntil(() => expect(reported).toEqual([reading]), 1_000);
    expect(harness.backend.pulses[0]).toMatchObject({ rx_bytes: 10, tx_bytes: 20 });
  });

  it('says that it accepts no connections while it cannot serve them', async () => {
    let canServe = false;
    harness.backend.nextPulse = 5;
    await harness.synced({ canServe: () => canServe });
    await until(() => expect(harness.backend.pulses).toMatchObject([{ accepting: false }]));
    canServe = true;
    await harness.advanceUntil(
      () => expect(harness.backend.pulses).toMatchObject([{ accepting: false }, { accepting: true }]),
      1_000,
    );
  });

  it('says at once and in all later pulses that it leaves, and keeps its peers', async () => {
    harness.backend.peers = [wirePeer(1)];
    const agent = await harness.synced();
    await until(() => expect(harness.backend.pulses).toHaveLength(1));
    await agent.leave();
    expect(harness.backend.pulses[1]).toMatchObject({ accepting: false, peers: 1 });
    await harness.advanceUntil(() => expect(harness.backend.pulses[2]).toMatchObject({ accepting: false }), 1_000);
    expect(agent.status()).toMatchObject({ leaving: true, link: 'connected', peers: 1 });
    expect(await harness.driverKeys()).toEqual(keysOf(1));
  });

  it('waits until a pulse sent after leave() is answered', async () => {
    let release = () => {};
    const isHeld = new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
    harness.backend.intercept = (path) => (path.endsWith('/pulse') ? isHeld : undefined);
    const agent = await harness.synced();
    await until(() => expect(harness.backend.requests).toContain('POST /node/node-1/pulse'));
    const left = agent.leave();
    release();
    await left;
    expect(harness.backend.pulses).toMatchObject([{ accepting: true }, { accepting: false }]);
  });

  it('continues after a failure', async () => {
    harness.backend.intercept = (path) => (path.endsWith('/pulse') ? 503 : undefined);
    await harness.synced();
    await until(() => expect(harness.backend.requests).toContain('POST /node/node-1/pulse'));
    harness.backend.intercept = () => undefined;
    await harness.advanceUntil(async () => {
      expect(harness.backend.pulses.length).toBeGreaterThan(0);
    }, 1_000);
  });
});

describe('NodeAgent: idle peers', () => {
  it('erases endpoint and handshake time three minutes after the last handshake', async () => {
    const erased = vi.spyOn(harness.driver, 'forgetHandshakesBefore');
    await harness.synced();
    await harness.passTime(30);
    await until(() => expect(erased).toHaveBeenCalledWith(harness.timing.now() - 180_000));
  });
});

describe('NodeAgent.stop', () => {
  it('ends all requests and leaves the peers', async () => {
    harness.backend.peers = [wirePeer(1)];
    const stop = new AbortController();
    const agent = await harness.enrol();
    agent.start(stop.signal);
    await agent.whenSynced();
    stop.abort();
    await agent.stop();
    expect(agent.status().link).toBe('stopped');
    expect(await harness.driverKeys()).toEqual(keysOf(1));
    const requests = harness.backend.requests.length;
    await harness.timing.advance(300_000);
    expect(harness.backend.requests).toHaveLength(requests);
  });

  it('does not wait for a backend that cannot be reached', async () => {
    const agent = await harness.enrol();
    harness.backend.goOffline();
    agent.start();
    await agent.stop();
  });
});
