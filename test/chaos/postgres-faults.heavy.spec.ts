import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldingProxy } from '../support/holding-proxy.js';
import { postgres } from '../support/wire-protocols.js';
import { type Answer, send, isFinal, shortPause } from './requests.js';
import { RedemptionLoad } from './redemption-load.js';
import { type ChaosNode, connectionsOf, startNodes } from './nodes.js';
import { blindedTexts, countIssued, type TestUser, signInWithQuota, requestSignatures } from './users.js';
import { startCluster, type Cluster } from './cluster.js';

const quota = 20;

let cluster: Cluster;
let nodes: ChaosNode[];
let urls: string[];

beforeAll(async () => {
  cluster = await startCluster();
  urls = [cluster.firstReplica.url, (await cluster.startReplica()).url];
  nodes = await startNodes(cluster, urls, { count: 2 });
});

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await cluster.stop();
});

/**
 * Requests one signature after the other, at alternating replicas, until the quota is used up.
 *
 * @returns the signature of each message
 */
async function useUpQuota(user: TestUser, statuses: Set<number>): Promise<Map<string, string>> {
  const signed = new Map<string, string>();
  let [message = ''] = blindedTexts(1);
  for (let attempt = 0; ; attempt += 1) {
    const answer = await requestSignatures(urls[attempt % urls.length] ?? '', user, [message]);
    statuses.add(answer.status);
    if (answer.status === 429) return signed;
    if (isFinal(answer)) {
      signed.set(message, answer.signatures?.[0] ?? '');
      [message = ''] = blindedTexts(1);
    }
    await shortPause();
  }
}

describe('two replicas, when PostgreSQL is killed three times during redemptions and issuance', () => {
  it('lose no token, accept no token twice, and issue exactly the quota', async () => {
    const users = await Promise.all(Array.from({ length: 6 }, () => signInWithQuota(cluster, urls, quota)));
    const issuanceStatuses = new Set<number>();
    const load = new RedemptionLoad(cluster, () => urls);
    const issuing = users.map((user) => useUpQuota(user, issuanceStatuses));
    for (let kill = 0; kill < 3; kill += 1) {
      await load.waitForTokens(40);
      await cluster.services.killPostgres();
      await load.waitForStatus(503, 10);
      await cluster.services.restartPostgres();
    }
    await load.waitForTokens(40);
    const signed = await Promise.all(issuing);
    await load.stop();
    console.log(`${load.tokensSpent} tokens spent; answers by status:`, Object.fromEntries(load.statusCounts));

    expect([...load.statusCounts.keys()].filter((status) => ![200, 409, 503].includes(status))).toEqual([]);
    expect([...issuanceStatuses].filter((status) => ![200, 429, 503].includes(status))).toEqual([]);
    await load.expectEachTokenSpentOnce(nodes);
    expect(await connectionsOf(cluster)).toHaveLength(load.tokensSpent);
    for (const [index, user] of users.entries()) {
      expect(signed[index]?.size).toBe(quota);
      expect(await countIssued(cluster, user)).toBe(quota);
    }
    // No library has logged its own error message, which would contain the address of the database.
    expect(cluster.replicas.map((replica) => replica.log()).join('\n')).not.toContain('127.0.0.1');
  }, 300_000);
});

describe('a replica, when its connections to PostgreSQL stay open but transfer no data', () => {
  it('answers 503 in time, and opens new connections when the network works again', async () => {
    const { services, env } = cluster;
    const proxy = await HoldingProxy.start([Number(new URL(services.ownerUrl).port)], postgres);
    const replica = await cluster.startReplica({
      IDENTITY_DATABASE_URL: proxy.through(env['IDENTITY_DATABASE_URL'] ?? ''),
      NETWORK_DATABASE_URL: proxy.through(env['NETWORK_DATABASE_URL'] ?? ''),
      REQUEST_TIMEOUT_S: '2',
    });
    const status = async (): Promise<Answer> =>
      send(`${replica.url}/vpn/connection`, { headers: { authorization: `Bearer ${'x'.repeat(43)}` } });
    expect((await status()).status).toBe(404);
    proxy.freeze();
    // More requests than the pool has connections, so that every connection waits for an answer.
    const answers = await Promise.all(Array.from({ length: 30 }, status));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([503]));
    proxy.thaw();
    await expect.poll(async () => (await status()).status, { timeout: 60_000, interval: 500 }).toBe(404);
    await replica.stop();
    await proxy.stop();
  });
});
