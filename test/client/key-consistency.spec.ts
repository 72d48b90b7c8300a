import { type ClientEvent, type VpnClientOptions } from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBase64url } from '../../packages/client/src/bytes.js';
import { TestIssuer } from '../../packages/client/test/issuer.js';
import { IssuerKeysService } from '../../src/crypto/issuer/index.js';
import { VerifierKeysService } from '../../src/crypto/verifier/index.js';
import { type ClientWorld, startClientWorld } from '../support/client-world.js';

/* The client's checks of the issuer's keys, against the real service and with forged directories. */

let world: ClientWorld;

beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world.stop());

type Fetch = typeof globalThis.fetch;

describe('key consistency', () => {
  const directoryPath = '/.well-known/private-token-issuer-directory';

  /** Changes the directories of one or both sides on their way to this client. */
  function forging(bases: readonly string[], change: (document: Directory) => void): Fetch {
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
  /** Replaces today's key by another one with the same times. */
  const otherKeys = () => {
    const spki = toBase64url(new TestIssuer().spki);
    return (document: Directory) => {
      const now = world.gatekeeper.clock.now().getTime() / 1000;
      const current = document['token-keys'].find((key) => Number(key['not-before']) <= now);
      Object.assign(current ?? {}, { 'token-key': spki });
    };
  };
  /** Retires today's key on both sides, as an operator does in an emergency. */
  const retireForAll = async () => {
    const issuer = world.gatekeeper.service.app.get(IssuerKeysService, { strict: false });
    const verifier = world.anonymizer.app.get(VerifierKeysService, { strict: false });
    await issuer.retire(issuer.signingKey().keyId);
    await verifier.poll();
  };

  it('fetches no token for a key that only one side publishes', async () => {
    const { user, again } = await world.newClient();
    const moveTime = ({ 'token-keys': keys }: Directory) =>
      keys.forEach((key) => (key['verify-until'] = Number(key['verify-until']) + 1));
    const client = again({ fetch: forging([world.gatekeeper.service.url], moveTime) });
    await expect(client.wallet.prefetchIfDue()).rejects.toMatchObject({ reason: 'key_differs' });
    await expect(client.fetchTokens()).rejects.toMatchObject({ name: 'PartitioningSuspected' });
    expect(await world.countSigned(user)).toBe(0);
  });

  it('spends no token of a key that is no longer published', async () => {
    const { client, again } = await world.newClient();
    await client.wallet.prefetchIfDue();
    const before = await world.connectionIds();
    const events: ClientEvent[] = [];
    const deceived = again({
      fetch: forging([world.anonymizer.url], dropKeys),
      onEvent: (event) => events.push(event),
    });
    await expect(deceived.connect({ location: world.location })).rejects.toMatchObject({
      name: 'PartitioningSuspected',
      reason: 'key_vanished',
    });
    expect(events.map(({ type }) => type)).toEqual(['partitioning_suspected']);
    expect(await world.connectionIds()).toEqual(before);
    // The tokens stay, and can be spent once the key is published again.
    expect((await client.wallet.status()).tokens).toBe(2);
    await client.connect({ location: world.location });
  });

  it('fetches no more tokens when a key has disappeared on both sides', async () => {
    const { user, client, again } = await world.newClient();
    await client.wallet.prefetchIfDue();
    const deceived = again({ fetch: forging(bothSides(), dropKeys) });
    await expect(deceived.connect({ location: world.location })).rejects.toMatchObject({ reason: 'key_vanished' });
    expect(await world.countSigned(user)).toBe(2);
  });

  it('drops the tokens of a key that both sides have retired, and fetches new ones', async () => {
    const events: ClientEvent[] = [];
    const { client } = await world.newClient({ onEvent: (event) => events.push(event) });
    await client.wallet.prefetchIfDue();
    await retireForAll();
    await client.connect({ location: world.location });
    expect(events).toEqual([
      { type: 'prefetched', tokens: 2 },
      { type: 'tokens_lost', tokens: 2, reason: 'retired' },
      { type: 'fetched_out_of_turn', tokens: 2 },
    ]);
  });

  it('drops no token when only one side lists its key as retired', async () => {
    const events: ClientEvent[] = [];
    const onEvent = (event: ClientEvent) => events.push(event);
    const { user, client, again } = await world.newClient();
    await client.wallet.prefetchIfDue();
    for (const side of bothSides()) {
      const deceived = (options: Partial<VpnClientOptions> = {}) =>
        again({ fetch: forging([side], retireKeys), onEvent, ...options });
      await expect(deceived().fetchTokens()).rejects.toMatchObject({ reason: 'retirement_differs' });
      if (side === world.anonymizer.url) {
        await expect(deceived().connect({ location: world.location })).rejects.toMatchObject({
          reason: 'retirement_differs',
        });
      }
      expect(await client.wallet.status()).toMatchObject({ tokens: 2, attempts: 0 });
    }
    expect(events).toEqual([]);
    expect(await world.countSigned(user)).toBe(2);
    await client.connect({ location: world.location });
    expect((await client.wallet.status()).tokens).toBe(1);
  });

  it('notices a key that was replaced before its end, also for tokens that are not stored in the wallet', async () => {
    const { client, again } = await world.newClient();
    await client.fetchTokens();
    const deceived = again({ fetch: forging(bothSides(), otherKeys()) });
    await expect(deceived.fetchTokens()).rejects.toMatchObject({ reason: 'key_changed' });
    await expect(deceived.issuerKey()).rejects.toMatchObject({ reason: 'key_changed' });
    await expect(deceived.wallet.prefetchIfDue()).rejects.toMatchObject({ reason: 'key_changed' });
  });

  it('repeats the daily prefetch when the key of its pending batch was retired', async () => {
    const { client, again } = await world.newClient();
    await expect(again({ getIdToken: () => 'no-longer-good' }).wallet.prefetchIfDue()).rejects.toMatchObject({
      code: 'invalid_id_token',
    });
    expect((await client.wallet.status()).pending).toBe(2);
    await retireForAll();
    expect(await client.wallet.prefetchIfDue()).toBe(2);
    expect(await client.wallet.status()).toMatchObject({ tokens: 2, pending: 0 });
  });

  it('fetches no token when a retired key is published again', async () => {
    const { client, again } = await world.newClient();
    const { key } = await client.issuerKey();
    await retireForAll();
    await client.issuerKey();
    const republish = (document: Directory) => {
      const isKey = ({ 'token-key': text }: Record<string, unknown>) => String(text).startsWith(toBase64url(key.spki));
      document['token-keys'] = document['retired-keys'].filter(isKey);
      document['retired-keys'] = document['retired-keys'].filter((entry) => !isKey(entry));
    };
    const deceived = again({ fetch: forging(bothSides(), republish) });
    await expect(deceived.fetchTokens()).rejects.toMatchObject({ reason: 'key_returned' });
  });
});
