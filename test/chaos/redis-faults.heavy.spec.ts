import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedemptionLoad } from './redemption-load.js';
import { type ChaosNode, connectionsOf, startNodes } from './nodes.js';
import { type Replica, type Cluster, startCluster } from './cluster.js';

let cluster: Cluster;
let replicas: Replica[];
let nodes: ChaosNode[];
let urls: string[];

beforeAll(async () => {
  // With a limit set, every request consults Redis. It is too high to refuse any.
  cluster = await startCluster({ RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: '10000000' });
  replicas = [cluster.firstReplica, await cluster.startReplica()];
  urls = replicas.map(({ url }) => url);
  nodes = await startNodes(cluster, urls, { count: 2 });
});

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await cluster.stop();
});

/** The sum of a metric over both replicas. */
async function total(metric: string): Promise<number> {
  const texts = await Promise.all(replicas.map((replica) => replica.metrics()));
  return texts.reduce((sum, text) => sum + Number(new RegExp(`^${metric} (\\d+)`, 'm').exec(text)?.[1] ?? 0), 0);
}

/**
 * Prints how many tokens were spent during `run`, how fast, and how many redemptions did without Redis.
 *
 * @returns the number of redemptions without Redis
 */
async function measure(phase: string, load: RedemptionLoad, run: () => Promise<void>): Promise<number> {
  const countWithoutRedis = () => total('redemptions_without_redis_total');
  const [startMs, spentBefore, countBefore] = [performance.now(), load.tokensSpent, await countWithoutRedis()];
  await run();
  const seconds = (performance.now() - startMs) / 1_000;
  const withoutRedis = (await countWithoutRedis()) - countBefore;
  const tokens = load.tokensSpent - spentBefore;
  console.log(`${phase}: ${tokens} tokens in ${seconds.toFixed(1)} s, ${withoutRedis} redemptions without Redis`);
  return withoutRedis;
}

async function processIdOf(redisUrl: string): Promise<number> {
  const redis = new Redis(redisUrl);
  const pid = /^process_id:(\d+)/m.exec(await redis.info('server'))?.[1];
  redis.disconnect();
  return Number(pid);
}

describe('two replicas that redeem tokens', () => {
  it('give each token exactly one connection while Redis is killed, emptied and stopped', async () => {
    const { services } = cluster;
    const load = new RedemptionLoad(cluster, () => urls);
    await measure('Redis running', load, () => load.waitForTokens(150));

    await services.killRedis();
    expect(await measure('Redis killed', load, () => load.waitForTokens(150))).toBeGreaterThanOrEqual(150);
    await services.restartRedis();
    await measure('Redis restarted', load, () => load.waitForTokens(100));

    for (let flush = 0; flush < 5; flush += 1) {
      await services.flushRedis();
      await load.waitForTokens(30);
    }

    const pid = await processIdOf(services.redisUrl);
    process.kill(pid, 'SIGSTOP');
    const stopped = await measure('Redis stopped', load, () => load.waitForTokens(100)).finally(() =>
      process.kill(pid, 'SIGCONT'),
    );
    expect(stopped).toBeGreaterThanOrEqual(100);
    await measure('Redis resumed', load, () => load.waitForTokens(100));

    await load.stop();
    console.log('answers by status:', Object.fromEntries(load.statusCounts));
    // 503 means that a node was slow to acknowledge. There must be no other 5xx.
    expect([...load.statusCounts.keys()].filter((status) => ![200, 409, 503].includes(status))).toEqual([]);
    await load.expectEachTokenSpentOnce(nodes);
    expect(await connectionsOf(cluster)).toHaveLength(load.tokensSpent);
  }, 300_000);

  it('can start and serve while Redis is stopped', async () => {
    const pid = await processIdOf(cluster.services.redisUrl);
    process.kill(pid, 'SIGSTOP');
    try {
      const third = await cluster.startReplica();
      const load = new RedemptionLoad(cluster, () => [third.url], 2);
      await load.waitForTokens(5);
      await load.stop();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});
