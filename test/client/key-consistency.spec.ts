import { type ClientEvent, type VpnClientOptions } from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBase64url } from '../../packages/client/src/bytes.js';
import { TestIssuer } from '../../packages/client/test/issuer.js';
import { IssuerKeysService } from '../../src/crypto/issuer/index.js';
import { VerifierKeysService } from '../../src/crypto/verifier/index.js';
import { type ClientWorld, startClientWorld } from '../support/client-world.js';

/* What a client makes of the issuer's keys, against the real service and against sides that lie to it. */

let world: ClientWorld;

beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world.stop());

type Fetch = typeof globalThis.fetch;

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
    'retired-keys': Record<string, unknown>[];
    'token-challenge': string;
  }

  const bothSides = () => [world.gatekeeper.service.url, world.anonymizer.url];
  const dropKeys = (document: Directory) => {
    document['token-keys'] = document['token-keys'].slice(0, 0);
  };

  const retireKeys = (document: Directory) => {
    document['retired-keys'].push(...document['token-keys']);
    document['token-keys'] = [];
  };
  /** Today's key, replaced by another for the same time. */
  const otherKeys = () => {
    const spki = toBase64url(new TestIssuer().spki);
    return (document: Directory) => {
      const now = world.gatekeeper.clock.now().getTime() / 1000;
      const current = document['token-keys'].find((key) => Number(key['not-before']) <= now);
      Object.assign(current ?? {}, { 'token-key': spki });
    };
  };
  /** An operator's emergency: today's key ends for everybody, at once. */
  const retireForAll = async () => {
    const issuer = world.gatekeeper.service.app.get(IssuerKeysService, { strict: false });
    const verifier = world.anonymizer.app.get(VerifierKeysService, { strict: false });
    await issuer.retire(issuer.signingKey().keyId);
    await verifier.poll();
  };

  it('fetches nothing for a key that one side alone publishes', async () => {
    const { person, again } = await world.newClient();
    const moveTime = ({ 'token-keys': keys }: Directory) =>
      keys.forEach((key) => (key['verify-until'] = Number(key['verify-until']) + 1));
    const client = again({ fetch: changing([world.gatekeeper.service.url], moveTime) });
    await expect(client.wallet.prefetchIfDue()).rejects.toMatchObject({ reason: 'key_differs' });
    await expect(client.fetchTokens()).rejects.toMatchObject({ name: 'PartitioningSuspected' });
    expect(await world.countSigned(person)).toBe(0);
  });

  it('spends no token of a key that is not published any more', async () => {
    const { client, again } = await world.newClient();
    await client.wallet.prefetchIfDue();
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
    await client.wallet.prefetchIfDue();
    const deceived = again({ fetch: changing(bothSides(), dropKeys) });
    await expect(deceived.connect({ location: world.location })).rejects.toMatchObject({ reason: 'key_vanished' });
    expect(await world.countSigned(person)).toBe(2);
  });

  it('gives up tokens of a key that was retired for everybody, and draws others', async () => {
    const events: ClientEvent[] = [];
    const { client } = await world.newClient({ onEvent: (event) => events.push(event) });
    await client.wallet.prefetchIfDue();
    await retireForAll();
    await client.connect({ location: world.location });
    expect(events).toEqual([
      { type: 'drawn', tokens: 2 },
      { type: 'tokens_lost', tokens: 2, reason: 'retired' },
      { type: 'drawn_out_of_turn', tokens: 2 },
    ]);
  });

  it('gives up no token because one side alone calls its key retired', async () => {
    const events: ClientEvent[] = [];
    const onEvent = (event: ClientEvent) => events.push(event);
    const { person, client, again } = await world.newClient();
    await client.wallet.prefetchIfDue();
    for (const side of bothSides()) {
      const deceived = (options: Partial<VpnClientOptions> = {}) =>
        again({ fetch: changing([side], retireKeys), onEvent, ...options });
      await expect(deceived().fetchTokens()).rejects.toMatchObject({ reason: 'retirement_differs' });
      if (side === world.anonymizer.url) {
        await expect(deceived().connect({ location: world.location })).rejects.toMatchObject({
          reason: 'retirement_differs',
        });
      }
      expect(await client.wallet.status()).toMatchObject({ tokens: 2, begun: 0 });
    }
    expect(events).toEqual([]);
    expect(await world.countSigned(person)).toBe(2);
    await client.connect({ location: world.location });
    expect((await client.wallet.status()).tokens).toBe(1);
  });

  it('notices a key that has changed within its time, also where tokens are fetched past the wallet', async () => {
    const { client, again } = await world.newClient();
    await client.fetchTokens();
    const deceived = again({ fetch: changing(bothSides(), otherKeys()) });
    await expect(deceived.fetchTokens()).rejects.toMatchObject({ reason: 'key_changed' });
    await expect(deceived.issuerKey()).rejects.toMatchObject({ reason: 'key_changed' });
    await expect(deceived.wallet.prefetchIfDue()).rejects.toMatchObject({ reason: 'key_changed' });
  });

  it('draws for the day again when what was on the way was of a key that was retired', async () => {
    const { client, again } = await world.newClient();
    await expect(again({ getIdToken: () => 'no-longer-good' }).wallet.prefetchIfDue()).rejects.toMatchObject({
      code: 'invalid_id_token',
    });
    expect((await client.wallet.status()).pending).toBe(2);
    await retireForAll();
    expect(await client.wallet.prefetchIfDue()).toBe(2);
    expect(await client.wallet.status()).toMatchObject({ tokens: 2, pending: 0 });
  });

  it('fetches nothing when a key is back that was retired', async () => {
    const { client, again } = await world.newClient();
    const { key } = await client.issuerKey();
    await retireForAll();
    await client.issuerKey();
    const resurrect = (document: Directory) => {
      const isIt = ({ 'token-key': text }: Record<string, unknown>) => String(text).startsWith(toBase64url(key.spki));
      document['token-keys'] = document['retired-keys'].filter(isIt);
      document['retired-keys'] = document['retired-keys'].filter((entry) => !isIt(entry));
    };
    const deceived = again({ fetch: changing(bothSides(), resurrect) });
    await expect(deceived.fetchTokens()).rejects.toMatchObject({ reason: 'key_returned' });
  });
});
