import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldingProxy } from '../support/holding-proxy.js';
import { postgres } from '../support/wire-protocols.js';
import { type Answer, ask, isFinal, moment } from './asking.js';
import { Load } from './load.js';
import { type ChaosNode, connectionsOf, startNodes } from './nodes.js';
import { blindedTexts, countedFor, type Person, personWithQuota, sign } from './people.js';
import { createWorld, type World } from './world.js';

const quota = 20;

let world: World;
let nodes: ChaosNode[];
let urls: string[];

beforeAll(async () => {
  world = await createWorld();
  urls = [world.first.url, (await world.replica()).url];
  nodes = await startNodes(world, urls, { count: 2 });
});

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await world.stop();
});

/** Asks for one signature after the other, at one replica after the other, until refused for good. */
async function useUp(person: Person, seen: Set<number>): Promise<Map<string, string>> {
  const signed = new Map<string, string>();
  let [message = ''] = blindedTexts(1);
  for (let attempt = 0; ; attempt += 1) {
    const answer = await sign(urls[attempt % urls.length] ?? '', person, [message]);
    seen.add(answer.status);
    if (answer.status === 429) return signed;
    if (isFinal(answer)) {
      signed.set(message, answer.signatures?.[0] ?? '');
      [message = ''] = blindedTexts(1);
    }
    await moment();
  }
}

describe('PostgreSQL is killed three times while tokens are spent and signed', () => {
  it('nothing is burnt, nothing doubled, and the quota holds', async () => {
    const people = await Promise.all(Array.from({ length: 6 }, () => personWithQuota(world, urls, quota)));
    const seen = new Set<number>();
    const load = new Load(world, () => urls);
    const issuing = people.map((person) => useUp(person, seen));
    for (let time = 0; time < 3; time += 1) {
      await load.more(40);
      await world.services.killPostgres();
      await load.sees(503, 10);
      await world.services.restartPostgres();
    }
    await load.more(40);
    const signed = await Promise.all(issuing);
    await load.stop();
    console.log(`${load.spent} tokens spent; answers by status:`, Object.fromEntries(load.seen));

    expect([...load.seen.keys()].filter((status) => ![200, 409, 503].includes(status))).toEqual([]);
    expect([...seen].filter((status) => ![200, 429, 503].includes(status))).toEqual([]);
    await load.expectSound(nodes);
    expect(await connectionsOf(world)).toHaveLength(load.spent);
    for (const [index, person] of people.entries()) {
      expect(signed[index]?.size).toBe(quota);
      expect(await countedFor(world, person)).toBe(quota);
    }
    // Nor does any library tell of it in its own words, with the address of the database.
    expect(world.replicas.map((replica) => replica.log()).join('\n')).not.toContain('127.0.0.1');
  }, 300_000);
});

describe('PostgreSQL goes silent: connections stay open, and nothing comes through', () => {
  it('answers 503 in time, and serves again when the network does, though the old connections stay dead', async () => {
    const { services, env } = world;
    const proxy = await HoldingProxy.start([Number(new URL(services.ownerUrl).port)], postgres);
    const replica = await world.replica({
      IDENTITY_DATABASE_URL: proxy.through(env['IDENTITY_DATABASE_URL'] ?? ''),
      NETWORK_DATABASE_URL: proxy.through(env['NETWORK_DATABASE_URL'] ?? ''),
      REQUEST_TIMEOUT_S: '2',
    });
    const status = async (): Promise<Answer> =>
      ask(`${replica.url}/vpn/connection`, { headers: { authorization: `Bearer ${'x'.repeat(43)}` } });
    expect((await status()).status).toBe(404);
    proxy.freeze();
    // More than there are connections, so that all of these are waiting for an answer.
    const answers = await Promise.all(Array.from({ length: 30 }, status));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([503]));
    proxy.thaw();
    await expect.poll(async () => (await status()).status, { timeout: 60_000, interval: 500 }).toBe(404);
    await replica.stop();
    await proxy.stop();
  });
});
