import {
  type ClientEvent,
  type Connection,
  parseWireguardConf,
  toWgQuick,
  type VpnApiError,
  type VpnClient,
} from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClientWorld, startClientWorld } from '../support/client-world.js';

let world: ClientWorld;

beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world.stop());

type Fetch = typeof globalThis.fetch;

/** The service, except that some of its answers are lost on their way back. */
function losing(path: string, times: number): Fetch {
  let left = times;
  return async (input, init) => {
    const answer = await fetch(input, init);
    if (!new Request(input).url.endsWith(path) || left === 0) return answer;
    left -= 1;
    throw new TypeError('the answer was lost');
  };
}

/** The service, except that the first request to this path is refused. */
function refusingOnce(path: string, status: number, code: string): Fetch {
  let left = 1;
  return async (input, init) => {
    if (!new Request(input).url.endsWith(path) || left-- < 1) return fetch(input, init);
    return Response.json({ type: `urn:problem:${code}`, title: 'No', status, detail: 'No.', code }, { status });
  };
}

/** A random source that returns these numbers over and over. */
function repeating(...numbers: readonly number[]): () => number {
  let next = 0;
  return () => numbers[next++ % numbers.length] ?? 0;
}

/** The connection's status, or the error code. */
const statusOf = (client: VpnClient, connection: Connection) =>
  client.connectionStatus(connection).then(
    ({ status }) => status,
    ({ code }: VpnApiError) => code,
  );

describe('VpnClient.connect', () => {
  it('spends a token of the wallet on a connection with its own key pair', async () => {
    const { client } = await world.newClient();
    expect(await client.wallet.prefetchIfDue()).toBe(2);
    const connection = await client.connect({ location: 'Frankfurt' });
    expect(connection).toMatchObject({ location: world.location });
    expect((await client.wallet.status()).tokens).toBe(1);
    expect(await client.connections()).toEqual([connection]);

    const conf = parseWireguardConf(toWgQuick(connection));
    expect(conf.interface.privateKey).toBe(connection.privateKey);
    expect(conf.peer.publicKey).toBe(connection.config.server_public_key);
    const hoursBeforeEnd = (Date.parse(connection.expiresAt) - Date.parse(connection.renewAt)) / 3_600_000;
    expect(hoursBeforeEnd).toBeGreaterThanOrEqual(1);
    expect(hoursBeforeEnd).toBeLessThanOrEqual(3);

    expect((await client.connectionStatus(connection)).status).toBe('active');
    const another = await client.connect();
    expect(another.publicKey).not.toBe(connection.publicKey);
    await client.disconnect(connection);
    expect(await client.connections()).toEqual([another]);
    await expect.poll(() => statusOf(client, connection)).toBe('connection_not_found');
  });

  it('fetches tokens out of turn when the wallet is empty, and emits an event', async () => {
    const events: ClientEvent[] = [];
    const { client } = await world.newClient({ onEvent: (event) => events.push(event) });
    await client.connect({ location: world.location });
    expect(events).toEqual([{ type: 'fetched_out_of_turn', tokens: 2 }]);
    expect((await client.wallet.status()).tokens).toBe(1);
  });

  it('gets the same connection when the answer is lost', async () => {
    const { client, again } = await world.newClient();
    await client.wallet.prefetchIfDue();
    const before = await world.connectionIds();
    await again({ fetch: losing('/vpn/config', 1) }).connect({ location: world.location });
    expect(await world.connectionIds()).toHaveLength(before.length + 1);
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, attempts: 0 });
  });

  it('spends one token per connection when all answers are lost and another location is requested next', async () => {
    const { client, again } = await world.newClient();
    await client.wallet.prefetchIfDue();
    const before = await world.connectionIds();
    await expect(
      again({ fetch: losing('/vpn/config', 4) }).connect({ location: world.location }),
    ).rejects.toMatchObject({ code: 'unreachable' });
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, attempts: 1 });
    const [first = '', ...others] = (await world.connectionIds()).filter((id) => !before.includes(id));
    expect(others).toEqual([]);

    const connection = await client.connect({ location: world.otherLocation });
    expect(connection.location).toBe(world.otherLocation);
    // The first connection had been made after all, so its token is spent, and the client ends it.
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, attempts: 0 });
    expect(await client.connections()).toEqual([connection]);
    await expect.poll(() => world.connectionState(first)).toBe('ended');
    expect(await world.connectionState(connection.id)).toBe('active');
  });

  it('spends one token when all answers are lost and any location is acceptable', async () => {
    const { client, again } = await world.newClient();
    await client.wallet.prefetchIfDue();
    const before = await world.connectionIds();
    // The order of two equally busy locations is random: here, each comes first once.
    const [one, other] = [{ random: () => 0.1 }, { random: repeating(0.9, 0.1) }];
    await expect(again({ ...one, fetch: losing('/vpn/config', 4) }).connect()).rejects.toMatchObject({
      code: 'unreachable',
    });
    await again(other).connect();
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, attempts: 0 });
    expect(await world.connectionIds()).toHaveLength(before.length + 1);
  });

  it('keeps the token when the service cannot be reached', async () => {
    const { client, again } = await world.newClient();
    await client.wallet.prefetchIfDue();
    const before = await world.connectionIds();
    const offline: Fetch = (input, init) =>
      new Request(input).url.endsWith('/vpn/config') ? Promise.reject(new TypeError('offline')) : fetch(input, init);
    await expect(again({ fetch: offline }).connect({ location: world.location })).rejects.toMatchObject({
      code: 'unreachable',
    });
    await client.connect({ location: world.otherLocation });
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, attempts: 0 });
    expect(await world.connectionIds()).toHaveLength(before.length + 1);
  });

  it('is renewed by `renew`, which uses the new connection before it ends the old one', async () => {
    const { client } = await world.newClient();
    await client.wallet.prefetchIfDue();
    const first = await client.connect({ location: world.location });
    const seen: string[] = [];
    const second = await client.renew(first, async (next) => {
      seen.push((await client.connectionStatus(first)).status, (await client.connectionStatus(next)).status);
    });
    expect(seen).toEqual(['active', 'active']);
    expect(await client.connections()).toEqual([second]);
    await expect.poll(() => statusOf(client, first)).toBe('connection_not_found');
  });

  it('throws LocationNotFound when no location matches', async () => {
    const { client } = await world.newClient();
    await expect(client.connect({ location: 'Atlantis' })).rejects.toMatchObject({ name: 'LocationNotFound' });
  });
});

describe('VpnWallet.prefetchIfDue', () => {
  it('fetches the same number of tokens once a day, whatever the usage', async () => {
    const { user, client } = await world.newClient();
    expect(await client.wallet.prefetchIfDue()).toBe(2);
    await client.connect({ location: world.location });
    expect(await client.wallet.prefetchIfDue()).toBe(0);
    expect(await world.countSigned(user)).toBe(2);
    const { nextPrefetch } = await client.wallet.status();
    const day = (at: number) => Math.floor(at / 86_400_000);
    expect(day(Date.parse(nextPrefetch!))).toBe(day(world.gatekeeper.clock.now().getTime()) + 1);
  });

  it('fetches once when several processes share the wallet', async () => {
    const { user, again } = await world.newClient();
    const counts = await Promise.all([again(), again(), again()].map((client) => client.wallet.prefetchIfDue()));
    expect(counts.toSorted()).toEqual([0, 0, 2]);
    expect(await world.countSigned(user)).toBe(2);
  });

  it('fails without a subscription, and succeeds as soon as there is one', async () => {
    const user = await world.gatekeeper.signIn();
    const { again } = await world.newClient();
    const client = again({ getIdToken: () => user.headers.authorization.slice('Bearer '.length) });
    await expect(client.wallet.prefetchIfDue()).rejects.toMatchObject({ code: 'subscription_inactive' });
    await client.startTrial();
    expect(await client.wallet.prefetchIfDue()).toBe(2);
  });

  it('fetches the rest of the quota when other devices have used most of it', async () => {
    const { client, again } = await world.newClient();
    await client.fetchTokens(31);
    const events: ClientEvent[] = [];
    expect(await again({ onEvent: (event) => events.push(event) }).wallet.prefetchIfDue()).toBe(1);
    expect(events).toEqual([{ type: 'prefetched', tokens: 1 }]);
  });

  it('requests a pending batch again after an answer of a captive portal', async () => {
    const { client, again } = await world.newClient();
    const portal: Fetch = async (input, init) => {
      const answer = await fetch(input, init);
      return new Request(input).url.endsWith('/auth/vpn-token')
        ? new Response('<h1>Welcome</h1>', { status: 403, headers: { 'content-type': 'text/html' } })
        : answer;
    };
    await expect(again({ fetch: portal }).wallet.prefetchIfDue()).rejects.toMatchObject({ code: 'unexpected_answer' });
    await client.wallet.prefetchIfDue();
    expect((await client.wallet.status()).tokens).toBe(2);
  });

  it('replaces a pending batch whose key was retired or that exceeds the quota', async () => {
    for (const [refusal, expected] of [
      ['key_retired', 2],
      ['token_quota_exceeded', 1],
    ] as const) {
      const events: ClientEvent[] = [];
      const { client, again } = await world.newClient({ onEvent: (event) => events.push(event) });
      // The batch is stored, but not signed.
      await expect(again({ getIdToken: () => 'no-longer-good' }).wallet.prefetchIfDue()).rejects.toMatchObject({
        code: 'invalid_id_token',
      });
      if (refusal === 'token_quota_exceeded') await client.fetchTokens(31);
      const refusing = refusal === 'key_retired' ? refusingOnce('/auth/vpn-token', 409, refusal) : fetch;
      expect(await again({ fetch: refusing }).wallet.prefetchIfDue()).toBe(expected);
      expect(events).toEqual([{ type: 'prefetched', tokens: expected }]);
      expect(await client.wallet.status()).toMatchObject({ tokens: expected, pending: 0 });
      // Nothing more is due today.
      expect(await client.wallet.prefetchIfDue()).toBe(0);
    }
  });

  it('requests a pending batch again after the user has signed in again', async () => {
    const { user, client, again } = await world.newClient();
    await expect(again({ getIdToken: () => 'no-longer-good' }).wallet.prefetchIfDue()).rejects.toMatchObject({
      code: 'invalid_id_token',
    });
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, pending: 2 });
    expect(await client.wallet.prefetchIfDue()).toBe(2);
    expect(await world.countSigned(user)).toBe(2);
  });
});
