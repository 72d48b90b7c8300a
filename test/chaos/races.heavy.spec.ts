import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServiceProcess } from '../../dev/stack/service-process.js';
import { type MintedToken } from '../support/minted-tokens.js';
import { wireguardKey } from '../support/fleet.js';
import { query } from '../support/stack.js';
import { type ChaosNode, expectNodesToAgree, frankfurt, startNodes } from './nodes.js';
import { inParallel } from './asking.js';
import { redeemUntilAnswered } from './spending.js';
import { createWorld, type World } from './world.js';

let world: World;
let second: ServiceProcess;
let nodes: ChaosNode[];
let urls: string[];

beforeAll(async () => {
  world = await createWorld();
  second = await world.replica();
  urls = [world.first.url, second.url];
  nodes = await startNodes(world, urls, { count: 2 });
});

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await world.stop();
});

/** What ten requests for one token came to; every other one goes to the other replica. */
async function race(token: MintedToken, keys: readonly string[]) {
  const tries = Array.from({ length: 10 }, (_, n) => ({
    spend: { ...token, location: frankfurt, public_key: keys[n % keys.length] ?? '' },
    at: n >> 1,
  }));
  const answers = await Promise.all(
    tries.map(async ({ spend, at }) => ({ key: spend.public_key, ...(await redeemUntilAnswered(urls, spend, at)) })),
  );
  const won = answers.filter(({ status }) => status === 200);
  return {
    answers: new Set(answers.map(({ status, code }) => (status === 200 ? 'ok' : code))),
    winners: new Set(won.map(({ key }) => key)),
    connections: new Set(won.map((answer) => answer.connection_id)),
  };
}

describe('two replicas', () => {
  it('give each of 1,000 tokens one connection, however many clients and retries race for it', async () => {
    const tokens = await world.mint.take(1_000);
    const connections = await inParallel(20, [...tokens.entries()], async ([index, token]) => {
      const keys = Array.from({ length: 1 + (index % 3) }, () => wireguardKey());
      const { answers, winners, connections } = await race(token, keys);
      expect(winners.size).toBe(1);
      expect(connections.size).toBe(1);
      // Alone with its retries a client is never refused; whoever loses to another is told so, and nothing else.
      expect([...answers].sort()).toEqual(keys.length === 1 ? ['ok'] : ['ok', 'token_reused']);
      return { id: [...connections][0], key: [...winners][0] };
    });
    const rows = await query(
      world.services.ownerUrl,
      `SELECT id, encode(public_key, 'base64') AS key, status::text FROM network."Connection" ORDER BY id`,
    );
    const expected = connections.map(({ id, key }) => ({ id, key, status: 'active' }));
    expect(rows).toEqual(expected.toSorted((a, b) => ((a.id ?? '') < (b.id ?? '') ? -1 : 1)));
    await expectNodesToAgree(world, nodes);
  }, 300_000);
});
