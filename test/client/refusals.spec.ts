import { type ClientEvent } from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClientWorld, startClientWorld } from '../support/client-world.js';

/* What a client does with its tokens when the service refuses them, has no room, or answers nonsense. */

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

const anotherNetwork = () =>
  new Response('<h1>Welcome</h1>', { status: 403, headers: { 'content-type': 'text/html' } });

/** The service, but that some redemptions are answered on their way; all are kept. */
function answering(answer: (redemption: Redemption, index: number) => Response | undefined) {
  const redemptions: Redemption[] = [];
  const interceptor: Fetch = async (input, init) => {
    if (!new Request(input).url.endsWith('/vpn/config')) return fetch(input, init);
    const redemption = (await new Request(input, init).json()) as Redemption;
    return answer(redemption, redemptions.push(redemption) - 1) ?? fetch(input, init);
  };
  return { redemptions, fetch: interceptor };
}

/** With two tokens. */
async function newClient() {
  const events: ClientEvent[] = [];
  const created = await world.newClient({ onEvent: (event) => events.push(event) });
  await created.client.wallet.prefetchIfDue();
  return { ...created, events, here: { location: world.location } };
}

describe('a token that the service refuses', () => {
  it('is given up, and another spent', async () => {
    const { client, again, events, here } = await newClient();
    const { fetch, redemptions } = answering((_, index) => (index === 0 ? problem(401, 'unknown_key') : undefined));
    await again({ fetch }).connect(here);
    expect(new Set(redemptions.map(({ token }) => token)).size).toBe(2);
    expect(events.slice(1)).toEqual([{ type: 'tokens_lost', tokens: 1, reason: 'refused' }]);
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, begun: 0 });
  });

  it('is the last of three: no more are shown to a service that refuses them all', async () => {
    const { again, here } = await newClient();
    const client = again({ tokensPerDay: 4 });
    await client.connect(here);
    const { fetch, redemptions } = answering(() => problem(409, 'token_reused'));
    await expect(again({ fetch, tokensPerDay: 4 }).connect(here)).rejects.toMatchObject({ code: 'token_reused' });
    expect(new Set(redemptions.map(({ token }) => token)).size).toBe(3);
  });

  it('is spent with a fresh key when its key is in use', async () => {
    const { client, again, here } = await newClient();
    const { fetch, redemptions } = answering((_, index) =>
      index === 0 ? problem(409, 'public_key_in_use') : undefined,
    );
    const connection = await again({ fetch }).connect(here);
    const [first, second] = redemptions;
    expect(second?.token).toBe(first?.token);
    expect(second?.public_key).not.toBe(first?.public_key);
    expect(connection.publicKey).toBe(second?.public_key);
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, begun: 0 });
  });
});

describe('a location without room', () => {
  const full = (location: string) =>
    answering((asked) => (asked.location === location ? problem(503, 'no_capacity') : undefined));

  it('is passed over for the next that will do, with the same token and key', async () => {
    const { client, again } = await newClient();
    const { fetch, redemptions } = full(world.location);
    const connection = await again({ fetch, random: () => 0 }).connect();
    const [first, second] = redemptions;
    expect(first?.location).toBe(world.location);
    expect(second).toMatchObject({ token: first?.token, public_key: first?.public_key });
    expect(connection.location).toBe(second?.location);
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, begun: 0 });
  });

  it('costs nothing when no other will do', async () => {
    const { client, again, here } = await newClient();
    const { fetch, redemptions } = full(world.location);
    await expect(again({ fetch }).connect(here)).rejects.toMatchObject({ code: 'no_capacity' });
    expect(redemptions).toHaveLength(1);
    await client.connect({ location: world.otherLocation });
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, begun: 0 });
  });
});

describe('an attempt that fails for no reason of its token', () => {
  it('stands in nobody’s way, and is tried again before tokens are fetched out of turn', async () => {
    const { client, again, events, here } = await newClient();
    const { fetch, redemptions } = answering(({ token }) =>
      token === redemptions[0]?.token ? problem(400, 'invalid_request') : undefined,
    );
    const troubled = again({ fetch });
    await expect(troubled.connect(here)).rejects.toMatchObject({ code: 'invalid_request' });
    await troubled.connect(here);
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, begun: 1 });
    expect(events).toEqual([{ type: 'drawn', tokens: 2 }]);

    await troubled.connect(here);
    expect(redemptions.map(({ token }) => token === redemptions[0]?.token)).toEqual([true, false, true, false]);
    expect(events.slice(1)).toEqual([{ type: 'drawn_out_of_turn', tokens: 2 }]);
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, begun: 1 });

    // Nothing is lost: it buys its connection as soon as it may.
    await client.connect(here);
    await client.connect(here);
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, begun: 0 });
  });

  it('can be taken up at once when the connection that it had made could not be ended', async () => {
    const { client, again, events, here } = await newClient();
    const before = await world.connectionIds();
    const lost = answering(() => undefined);
    const losing: Fetch = async (input, init) => {
      const answer = await lost.fetch(input, init);
      return new Request(input).url.endsWith('/vpn/config') ? anotherNetwork() : answer;
    };
    await expect(again({ fetch: losing }).connect(here)).rejects.toMatchObject({ code: 'unexpected_answer' });
    const [first = ''] = (await world.connectionIds()).filter((id) => !before.includes(id));

    const elsewhere = { location: world.otherLocation };
    // The service says that it is elsewhere; asking for it there gets no answer of the service's.
    const { fetch } = answering((_, index) => (index === 1 ? anotherNetwork() : undefined));
    await expect(again({ fetch }).connect(elsewhere)).rejects.toMatchObject({ code: 'unexpected_answer' });
    expect(await client.wallet.status()).toMatchObject({ tokens: 1, begun: 1 });

    const connection = await client.connect(elsewhere);
    expect(connection.location).toBe(world.otherLocation);
    await expect.poll(() => world.connectionState(first)).toBe('ended');
    expect(await client.wallet.status()).toMatchObject({ tokens: 0, begun: 0 });
    expect(events).toEqual([{ type: 'drawn', tokens: 2 }]);
  });
});
