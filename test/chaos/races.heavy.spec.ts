import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServiceProcess } from '../../dev/stack/service-process.js';
import { type MintedToken } from '../support/minted-tokens.js';
import { wireguardKey } from '../support/fleet.js';
import { query } from '../support/stack.js';
import { type ChaosNode, expectPeersToMatchDatabase, frankfurt, startNodes } from './nodes.js';
import { inParallel } from './requests.js';
import { redeemUntilAnswered } from './redemption-requests.js';
import { startCluster, type Cluster } from './cluster.js';

let cluster: Cluster;
let second: ServiceProcess;
let nodes: ChaosNode[];
let urls: string[];

beforeAll(async () => {
  cluster = await startCluster();
  second = await cluster.startReplica();
  urls = [cluster.firstReplica.url, second.url];
  nodes = await startNodes(cluster, urls, { count: 2 });
});

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await cluster.stop();
});

/** Sends ten requests for one token, spread over both replicas, and summarises the answers. */
async function race(token: MintedToken, keys: readonly string[]) {
  const attempts = Array.from({ length: 10 }, (_, n) => ({
    request: { ...token, location: frankfurt, public_key: keys[n % keys.length] ?? '' },
    firstUrl: n >> 1,
  }));
  const answers = await Promise.all(
    attempts.map(async ({ request, firstUrl }) => ({
      key: request.public_key,
      ...(await redeemUntilAnswered(urls, request, firstUrl)),
    })),
  );
  const won = answers.filter(({ status }) => status === 200);
  return {
    answers: new Set(answers.map(({ status, code }) => (status === 200 ? 'ok' : code))),
    winners: new Set(won.map(({ key }) => key)),
    connections: new Set(won.map((answer) => answer.connection_id)),
  };
}

describe('two replicas', () => {
  it('give each of 1,000 tokens exactly one connection while several clients and retries race for it', async () => {
    const tokens = await cluster.mint.take(1_000);
    const connections = await inParallel(20, [...tokens.entries()], async ([index, token]) => {
      const keys = Array.from({ length: 1 + (index % 3) }, () => wireguardKey());
      const { answers, winners, connections } = await race(token, keys);
      expect(winners.size).toBe(1);
      expect(connections.size).toBe(1);
      // A client that races only with its own retries is never refused. One that loses to another client gets this code only.
      expect([...answers].sort()).toEqual(keys.length === 1 ? ['ok'] : ['ok', 'token_reused']);
      return { id: [...connections][0], key: [...winners][0] };
    });
    const rows = await query(
      cluster.services.ownerUrl,
      `SELECT id, encode(public_key, 'base64') AS key, status::text FROM network."Connection" ORDER BY id`,
    );
    const expected = connections.map(({ id, key }) => ({ id, key, status: 'active' }));
    expect(rows).toEqual(expected.toSorted((a, b) => ((a.id ?? '') < (b.id ?? '') ? -1 : 1)));
    await expectPeersToMatchDatabase(cluster, nodes);
  }, 300_000);
});
