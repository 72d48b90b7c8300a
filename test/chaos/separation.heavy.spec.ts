import { setTimeout } from 'node:timers/promises';
import { createClient, generateWireguardKeyPair, type RedeemedConfig, VpnApiError } from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { SeededRandom } from '@vpn-backend/fake-providers/testing';
import { HoldingProxy } from '../support/holding-proxy.js';
import { http } from '../support/wire-protocols.js';
import { moment } from './asking.js';
import { everythingHeld, kindsIn, UsedValues } from './leaks.js';
import { type ChaosNode, frankfurt, startNodes } from './nodes.js';
import { signIn } from './people.js';
import { createWorld, type World } from './world.js';

/**
 * Twenty people get tokens and spend them, with the client that apps use, while the service and its stores are killed: what
 * is logged when things go wrong is what betrays people elsewhere. Then both databases, all logs and all metrics are searched
 * for every value that was used.
 */
let world: World;
let front: HoldingProxy;
let nodes: ChaosNode[];
let url: string;
const used = new UsedValues();
let held: Awaited<ReturnType<typeof everythingHeld>>;

beforeAll(async () => {
  world = await createWorld({ LOG_LEVEL: 'debug' });
  front = await HoldingProxy.start([world.first.port], http);
  url = `http://127.0.0.1:${front.port}`;
  nodes = await startNodes(world, [url], { count: 2 });
  const journeys = Array.from({ length: 20 }, () => journey());
  await breakThings();
  await Promise.all(journeys);
  held = await everythingHeld(world);
}, 300_000);

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await front.stop();
  await world.stop();
});

async function breakThings(): Promise<void> {
  const { services } = world;
  const random = new SeededRandom(`separation ${inject('seed')}`);
  for (let round = 0; round < 3; round += 1) {
    await setTimeout(random.integer(1_000));
    await services.killRedis();
    await setTimeout(random.integer(1_000));
    await services.killPostgres();
    await setTimeout(random.integer(1_000));
    await services.restartPostgres();
    await services.restartRedis();
    const next = await world.replica({ LOG_LEVEL: 'debug' });
    await world.replicas.at(-2)?.kill();
    front.switchTo(next.port);
  }
}

/** Trial, three tokens, two of them spent, one connection ended, and a thief's attempt; each step until it is answered. */
async function journey(): Promise<void> {
  const person = await signIn(world);
  used.person('uid', person.uid);
  used.person('e-mail address', person.email);
  const idToken = person.headers['authorization']?.replace('Bearer ', '') ?? '';
  used.person('ID token', idToken);
  const client = createClient({
    gatekeeperUrl: url,
    anonymizerUrl: url,
    getIdToken: () => idToken,
    fetch: (target, init) => {
      noteBlinded(init?.body);
      return fetch(target, init);
    },
  });
  await persist(() => client.startTrial(), 'trial_already_used');
  const tokens = await persist(() => client.fetchTokens(3));
  for (const { token, signature } of tokens) {
    used.traffic('token', token, 'base64url');
    used.traffic('signature', signature, 'base64url');
  }
  for (const { token, signature } of tokens.slice(0, 2)) {
    const { publicKey } = await generateWireguardKeyPair();
    const redeemed = await persist(() => client.redeem({ token, signature, location: frankfurt, publicKey }));
    noteConnection(redeemed);
    const thief = await generateWireguardKeyPair();
    await persist(
      () => client.redeem({ token, signature, location: frankfurt, publicKey: thief.publicKey }),
      'token_reused',
    );
  }
}

/** Tries until there is an answer; a refusal with the code that is expected is one. */
async function persist<T>(request: () => Promise<T>, expected?: string): Promise<T> {
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof VpnApiError)) throw error;
      if (error.code === expected) return undefined as T;
      if (error.status !== 0 && error.status !== 503) throw error;
      await moment();
    }
  }
}

function noteBlinded(body: unknown): void {
  if (typeof body !== 'string') return;
  const { blindedTokens = [] } = JSON.parse(body) as { blindedTokens?: string[] };
  for (const text of blindedTokens) used.blindedToken(text);
}

function noteConnection(redeemed: RedeemedConfig): void {
  used.traffic('public key', redeemed.public_key, 'base64');
  used.traffic('preshared key', redeemed.preshared_key, 'base64');
  // As bytes, and as the text that is hashed.
  used.traffic('connection secret', redeemed.connection_secret, 'base64url');
  used.traffic('connection secret', redeemed.connection_secret, 'utf8');
  used.traffic('connection id', redeemed.connection_id, 'utf8');
  for (const address of redeemed.addresses) used.traffic('tunnel address', address.split('/')[0] ?? '', 'utf8');
}

describe('after everything went wrong', () => {
  it('each side holds what is its own: the search finds what is there', () => {
    expect(kindsIn(held.identity, used.ofPeople)).toEqual(['e-mail address', 'hash of blinded token', 'uid']);
    expect(kindsIn(held.network, used.ofTraffic)).toEqual(['connection id', 'hash of connection secret', 'public key']);
    expect(held.logs).toContain('"level":"error"');
    expect(held.metrics).toContain('redemptions_total');
  });

  it('the network database holds nothing of a person, the identity database nothing of a token or connection', () => {
    expect(kindsIn(held.network, used.ofPeople)).toEqual([]);
    expect(kindsIn(held.identity, used.ofTraffic)).toEqual([]);
  });

  it('no log line and no metric holds any of it, nor a client’s address', () => {
    const everything = [...used.ofPeople, ...used.ofTraffic, ['client address', '127.0.0.1'] as const];
    expect(kindsIn(held.logs, everything)).toEqual([]);
    expect(kindsIn(held.metrics, everything)).toEqual([]);
  });
});
