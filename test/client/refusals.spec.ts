import { type ClientEvent } from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClientWorld, startClientWorld } from '../support/client-world.js';

/* How a client treats its tokens when the service refuses them, is full, or gives unexpected answers. */

let world: ClientWorld;

beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world.stop());

type Fetch = typeof globalThis.fetch;

interface Redemption {
  readonly token: string;
  readonly public_key: string;
  readonly location: string;
}

function problem(status: number, code: string): Response {
  return Response.json({ type: `urn:problem:${code}`, title: 'No', status, detail: 'No.', code }, { status });
}

const captivePortal = () => new Response('<h1>Welcome</h1>', { status: 403, headers: { 'content-type': 'text/html' } });

/** The service, except that `answer` may answer redemptions in its place. Records all redemptions. */
function intercepting(answer: (redemption: Redemption, index: number) => Response | undefined) {
  const redemptions: Redemption[] = [];
  const interceptor: Fetch = async (input, init) => {
    if (!new Request(input).url.endsWith('/vpn/config')) return fetch(input, init);
    const redemption = (await new Request(input, init).json()) as Redemption;
    return answer(redemption, redemptions.push(redemption) - 1) ?? fetch(input, init);
  };
  return { redemptions, fetch: interceptor };
}

/** A client with two tokens. */
async function newClient() {
  const events: ClientEvent[] = [];
  const created = await world.newClient({ onEvent: (event) => events.push(event) });
  await created.client.wallet.prefetchIfDue();
  return { ...created, events, here: { location: world.location } };
}

describe('VpnClient.connect, when the service refuses a token', () => {
  it('drops the token, and spends another', async () => {
    const { client, again, events, here } = await newClient();
    const { fetch, redemptions } = intercepting((_, index) => (index === 0 ? problem(401, 'unknown_key') : undefined));
    await again({ fetch }).connect(here);
    expect(new Set(redemptions.map(({ token }) => token)).size).toBe(2);
    expect(events.slice(1)).toEqual([{ type: 'tokens_lost', tokens: 1, reason: 'refused' }]);
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, attempts: 0 });
  });

  it('stops after three refused tokens', async () => {
    const { again, here } = await newClient();
    const client = again({ tokensPerDay: 4 });
    await client.connect(here);
    const { fetch, redemptions } = intercepting(() => problem(409, 'token_reused'));
    await expect(again({ fetch, tokensPerDay: 4 }).connect(here)).rejects.toMatchObject({ code: 'token_reused' });
    expect(new Set(redemptions.map(({ token }) => token)).size).toBe(3);
  });

  it('spends the token with a new key pair when its public key is in use', async () => {
    const { client, again, here } = await newClient();
    const { fetch, redemptions } = intercepting((_, index) =>
      index === 0 ? problem(409, 'public_key_in_use') : undefined,
    );
    const connection = await again({ fetch }).connect(here);
    const [first, second] = redemptions;
    expect(second?.token).toBe(first?.token);
    expect(second?.public_key).not.toBe(first?.public_key);
    expect(connection.publicKey).toBe(second?.public_key);
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, attempts: 0 });
  });
});

describe('VpnClient.connect, when a location is full', () => {
  const full = (location: string) =>
    intercepting((redemption) => (redemption.location === location ? problem(503, 'no_capacity') : undefined));

  it('tries the next acceptable location with the same token and key pair', async () => {
    const { client, again } = await newClient();
    const { fetch, redemptions } = full(world.location);
    const connection = await again({ fetch, random: () => 0 }).connect();
    const [first, second] = redemptions;
    expect(first?.location).toBe(world.location);
    expect(second).toMatchObject({ token: first?.token, public_key: first?.public_key });
    expect(connection.location).toBe(second?.location);
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, attempts: 0 });
  });

  it('keeps the token when no other location is acceptable', async () => {
    const { client, again, here } = await newClient();
    const { fetch, redemptions } = full(world.location);
    await expect(again({ fetch }).connect(here)).rejects.toMatchObject({ code: 'no_capacity' });
    expect(redemptions).toHaveLength(1);
    await client.connect({ location: world.otherLocation });
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, attempts: 0 });
  });
});

describe('VpnClient.connect, when an attempt fails for reasons other than its token', () => {
  it('spends other tokens, and retries the attempt before it fetches tokens out of turn', async () => {
    const { client, again, events, here } = await newClient();
    const { fetch, redemptions } = intercepting(({ token }) =>
      token === redemptions[0]?.token ? problem(400, 'invalid_request') : undefined,
    );
    const failing = again({ fetch });
    await expect(failing.connect(here)).rejects.toMatchObject({ code: 'invalid_request' });
    await failing.connect(here);
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, attempts: 1 });
    expect(events).toEqual([{ type: 'prefetched', tokens: 2 }]);

    await failing.connect(here);
    expect(redemptions.map(({ token }) => token === redemptions[0]?.token)).toEqual([true, false, true, false]);
    expect(events.slice(1)).toEqual([{ type: 'fetched_out_of_turn', tokens: 2 }]);
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, attempts: 1 });

    // No token is lost: the attempt succeeds as soon as the service accepts it.
    await client.connect(here);
    await client.connect(here);
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, attempts: 0 });
  });

  it('continues the attempt at once when its earlier connection could not be ended', async () => {
    const { client, again, events, here } = await newClient();
    const before = await world.connectionIds();
    const losing: Fetch = async (input, init) => {
      const answer = await fetch(input, init);
      return new Request(input).url.endsWith('/vpn/config') ? captivePortal() : answer;
    };
    await expect(again({ fetch: losing }).connect(here)).rejects.toMatchObject({ code: 'unexpected_answer' });
    const [first = ''] = (await world.connectionIds()).filter((id) => !before.includes(id));

    const elsewhere = { location: world.otherLocation };
    // The service answers `location_changed`. A captive portal answers the request that fetches the earlier connection.
    const intercepted = intercepting((_, index) => (index === 1 ? captivePortal() : undefined));
    await expect(again({ fetch: intercepted.fetch }).connect(elsewhere)).rejects.toMatchObject({
      code: 'unexpected_answer',
    });
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, attempts: 1 });

    const connection = await client.connect(elsewhere);
    expect(connection.location).toBe(world.otherLocation);
    await expect.poll(() => world.connectionState(first)).toBe('ended');
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, attempts: 0 });
    expect(events).toEqual([{ type: 'prefetched', tokens: 2 }]);
  });
});
