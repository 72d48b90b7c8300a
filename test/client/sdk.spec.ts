import {
  type ClientEvent,
  type Connection,
  parseWireguardConf,
  toWgQuick,
  type VpnApiError,
  type VpnClient,
} from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IssuerKeysService } from '../../src/crypto/issuer/index.js';
import { VerifierKeysService } from '../../src/crypto/verifier/index.js';
import { type ClientWorld, startClientWorld } from '../support/client-world.js';

let world: ClientWorld;

beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world.stop());

type Fetch = typeof globalThis.fetch;

/** The service, but that answers to some requests are lost after they were given. */
function losing(path: string, times: number): Fetch {
  let left = times;
  return async (input, init) => {
    const answer = await fetch(input, init);
    if (!new Request(input).url.endsWith(path) || left === 0) return answer;
    left -= 1;
    throw new TypeError('the answer was lost');
  };
}

/** These numbers, over and over. */
function drawing(...numbers: readonly number[]): () => number {
  let next = 0;
  return () => numbers[next++ % numbers.length] ?? 0;
}

/** The connection's status, or why there is none. */
const statusOf = (client: VpnClient, connection: Connection) =>
  client.connectionStatus(connection).then(
    ({ status }) => status,
    ({ code }: VpnApiError) => code,
  );

describe('connecting', () => {
  it('spends a token of the wallet on a connection with a key of its own', async () => {
    const { client } = await world.newClient();
    expect(await client.wallet.drawIfDue()).toBe(2);
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

  it('draws out of turn when the wallet is empty, and says so', async () => {
    const events: ClientEvent[] = [];
    const { client } = await world.newClient({ onEvent: (event) => events.push(event) });
    await client.connect({ location: world.location });
    expect(events).toEqual([{ type: 'drawn_out_of_turn', tokens: 2 }]);
    expect((await client.wallet.status()).tokens).toBe(1);
  });

  it('gets the same connection when the answer is lost', async () => {
    const { client, again } = await world.newClient();
    await client.wallet.drawIfDue();
    const before = await world.connectionIds();
    await again({ fetch: losing('/vpn/config', 1) }).connect({ location: world.location });
    expect(await world.connectionIds()).toHaveLength(before.length + 1);
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, begun: 0 });
  });

  it('pays once when no answer ever came and it then goes elsewhere', async () => {
    const { client, again } = await world.newClient();
    await client.wallet.drawIfDue();
    await expect(
      again({ fetch: losing('/vpn/config', 4) }).connect({ location: world.location }),
    ).rejects.toMatchObject({ code: 'unreachable' });
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, begun: 1 });

    const connection = await client.connect({ location: world.otherLocation });
    expect(connection.location).toBe(world.otherLocation);
    // The first one had been made after all: it is ended, and its token spent.
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, begun: 0 });
    expect(await client.connections()).toEqual([connection]);
  });

  it('pays once when no answer ever came and any location will do', async () => {
    const { client, again } = await world.newClient();
    await client.wallet.drawIfDue();
    const before = await world.connectionIds();
    // The least busy of two alike is drawn: once the one, once the other.
    const [one, other] = [{ random: () => 0.1 }, { random: drawing(0.9, 0.1) }];
    await expect(again({ ...one, fetch: losing('/vpn/config', 4) }).connect()).rejects.toMatchObject({
      code: 'unreachable',
    });
    await again(other).connect();
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, begun: 0 });
    expect(await world.connectionIds()).toHaveLength(before.length + 1);
  });

  it('keeps the token when nobody is there', async () => {
    const { client, again } = await world.newClient();
    await client.wallet.drawIfDue();
    const before = await world.connectionIds();
    const offline: Fetch = (input, init) =>
      new Request(input).url.endsWith('/vpn/config') ? Promise.reject(new TypeError('offline')) : fetch(input, init);
    await expect(again({ fetch: offline }).connect({ location: world.location })).rejects.toMatchObject({
      code: 'unreachable',
    });
    await client.connect({ location: world.otherLocation });
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, begun: 0 });
    expect(await world.connectionIds()).toHaveLength(before.length + 1);
  });

  it('renews: the new connection is in use before the old one ends', async () => {
    const { client } = await world.newClient();
    await client.wallet.drawIfDue();
    const first = await client.connect({ location: world.location });
    const seen: string[] = [];
    const second = await client.renew(first, async (next) => {
      seen.push((await client.connectionStatus(first)).status, (await client.connectionStatus(next)).status);
    });
    expect(seen).toEqual(['active', 'active']);
    expect(await client.connections()).toEqual([second]);
    await expect.poll(() => statusOf(client, first)).toBe('connection_not_found');
  });

  it('says what there is when nothing is called so', async () => {
    const { client } = await world.newClient();
    await expect(client.connect({ location: 'Atlantis' })).rejects.toMatchObject({ name: 'LocationNotFound' });
  });
});

describe('the wallet', () => {
  it('draws the same number each day, whatever was used, and once a day', async () => {
    const { person, client } = await world.newClient();
    expect(await client.wallet.drawIfDue()).toBe(2);
    await client.connect({ location: world.location });
    expect(await client.wallet.drawIfDue()).toBe(0);
    expect(await world.countSigned(person)).toBe(2);
    const { nextDraw } = await client.wallet.status();
    const day = (at: number) => Math.floor(at / 86_400_000);
    expect(day(Date.parse(nextDraw!))).toBe(day(world.gatekeeper.clock.now().getTime()) + 1);
  });

  it('draws once when two processes share it', async () => {
    const { person, again } = await world.newClient();
    const drawn = await Promise.all([again(), again(), again()].map((client) => client.wallet.drawIfDue()));
    expect(drawn.toSorted()).toEqual([0, 0, 2]);
    expect(await world.countSigned(person)).toBe(2);
  });

  it('is not drawn into without a subscription, and at once with one', async () => {
    const person = await world.gatekeeper.signIn();
    const { again } = await world.newClient();
    const client = again({ getIdToken: () => person.headers.authorization.slice('Bearer '.length) });
    await expect(client.wallet.drawIfDue()).rejects.toMatchObject({ code: 'subscription_inactive' });
    await client.startTrial();
    expect(await client.wallet.drawIfDue()).toBe(2);
  });

  it('takes what the quota leaves when other devices have drawn', async () => {
    const { client, again } = await world.newClient();
    await client.fetchTokens(31);
    const events: ClientEvent[] = [];
    expect(await again({ onEvent: (event) => events.push(event) }).wallet.drawIfDue()).toBe(1);
    expect(events).toEqual([{ type: 'drawn', tokens: 1 }]);
  });

  it('asks again for what was on the way when another network had answered', async () => {
    const { client, again } = await world.newClient();
    const portal: Fetch = async (input, init) => {
      const answer = await fetch(input, init);
      return new Request(input).url.endsWith('/auth/vpn-token')
        ? new Response('<h1>Welcome</h1>', { status: 403, headers: { 'content-type': 'text/html' } })
        : answer;
    };
    await expect(again({ fetch: portal }).wallet.drawIfDue()).rejects.toMatchObject({ code: 'unexpected_answer' });
    await client.wallet.drawIfDue();
    expect((await client.wallet.status()).tokens).toBe(2);
  });

  it('asks again for what was on the way when somebody had to sign in again', async () => {
    const { person, client, again } = await world.newClient();
    await expect(again({ getIdToken: () => 'no-longer-good' }).wallet.drawIfDue()).rejects.toMatchObject({
      code: 'invalid_id_token',
    });
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, pending: 2 });
    expect(await client.wallet.drawIfDue()).toBe(2);
    expect(await world.countSigned(person)).toBe(2);
  });
});

describe('key consistency', () => {
  const directoryPath = '/.well-known/private-token-issuer-directory';

  /** One side or both, with a directory that is changed on its way to this client alone. */
  function changing(bases: readonly string[], change: (document: Directory) => void): Fetch {
    return async (input, init) => {
      const { url } = new Request(input);
      const answer = await fetch(input, init);
      if (!bases.some((base) => url === `${base}${directoryPath}`)) return answer;
      const document = (await answer.json()) as Directory;
      change(document);
      return Response.json(document);
    };
  }

  interface Directory {
    'token-keys': Record<string, unknown>[];
    'token-challenge': string;
  }

  const bothSides = () => [world.gatekeeper.service.url, world.anonymizer.url];
  const dropKeys = (document: Directory) => {
    document['token-keys'] = document['token-keys'].slice(0, 0);
  };

  it('fetches nothing for a key that one side alone publishes', async () => {
    const { person, again } = await world.newClient();
    const moveTime = ({ 'token-keys': keys }: Directory) =>
      keys.forEach((key) => (key['verify-until'] = Number(key['verify-until']) + 1));
    const client = again({ fetch: changing([world.gatekeeper.service.url], moveTime) });
    await expect(client.wallet.drawIfDue()).rejects.toMatchObject({ reason: 'key_differs' });
    await expect(client.fetchTokens()).rejects.toMatchObject({ name: 'PartitioningSuspected' });
    expect(await world.countSigned(person)).toBe(0);
  });

  it('spends no token of a key that is not published any more', async () => {
    const { client, again } = await world.newClient();
    await client.wallet.drawIfDue();
    const before = await world.connectionIds();
    const events: ClientEvent[] = [];
    const deceived = again({
      fetch: changing([world.anonymizer.url], dropKeys),
      onEvent: (event) => events.push(event),
    });
    await expect(deceived.connect({ location: world.location })).rejects.toMatchObject({
      name: 'PartitioningSuspected',
      reason: 'key_vanished',
    });
    expect(events.map(({ type }) => type)).toEqual(['partitioning_suspected']);
    expect(await world.connectionIds()).toEqual(before);
    // The tokens stay: when the keys are what they were, they are good.
    expect((await client.wallet.status()).tokens).toBe(2);
    await client.connect({ location: world.location });
  });

  it('fetches nothing more when a key has vanished on both sides', async () => {
    const { person, client, again } = await world.newClient();
    await client.wallet.drawIfDue();
    const deceived = again({ fetch: changing(bothSides(), dropKeys) });
    await expect(deceived.connect({ location: world.location })).rejects.toMatchObject({ reason: 'key_vanished' });
    expect(await world.countSigned(person)).toBe(2);
  });

  it('gives up tokens of a key that was retired for everybody, and draws others', async () => {
    const events: ClientEvent[] = [];
    const { client } = await world.newClient({ onEvent: (event) => events.push(event) });
    await client.wallet.drawIfDue();
    const issuer = world.gatekeeper.service.app.get(IssuerKeysService, { strict: false });
    const verifier = world.anonymizer.app.get(VerifierKeysService, { strict: false });
    await issuer.retire(issuer.signingKey().keyId);
    await verifier.poll();
    await client.connect({ location: world.location });
    expect(events).toEqual([
      { type: 'drawn', tokens: 2 },
      { type: 'tokens_lost', tokens: 2, reason: 'retired' },
      { type: 'drawn_out_of_turn', tokens: 2 },
    ]);
  });
});
