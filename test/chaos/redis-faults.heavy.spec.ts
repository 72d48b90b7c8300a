import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Load } from './load.js';
import { type ChaosNode, connectionsOf, startNodes } from './nodes.js';
import { type Replica, type World, createWorld } from './world.js';

let world: World;
let replicas: Replica[];
let nodes: ChaosNode[];
let urls: string[];

beforeAll(async () => {
  // Limits too high to refuse anybody, so that every request asks Redis for one.
  world = await createWorld({ RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: '10000000' });
  replicas = [world.first, await world.replica()];
  urls = replicas.map(({ url }) => url);
  nodes = await startNodes(world, urls, { count: 2 });
});

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await world.stop();
});

/** Of both replicas. */
async function total(metric: string): Promise<number> {
  const texts = await Promise.all(replicas.map((replica) => replica.metrics()));
  return texts.reduce((sum, text) => sum + Number(new RegExp(`^${metric} (\\d+)`, 'm').exec(text)?.[1] ?? 0), 0);
}

/** Says how many tokens were spent meanwhile, how fast, and how many of the marks were not to be had. */
async function measured(what: string, load: Load, run: () => Promise<void>): Promise<number> {
  const [began, spent, without] = [performance.now(), load.spent, await total('redemptions_without_redis_total')];
  await run();
  const seconds = (performance.now() - began) / 1_000;
  const unmarked = (await total('redemptions_without_redis_total')) - without;
  const tokens = load.spent - spent;
  console.log(`${what}: ${tokens} tokens in ${seconds.toFixed(1)} s, ${unmarked} redemptions without Redis`);
  return unmarked;
}

async function processOf(redisUrl: string): Promise<number> {
  const redis = new Redis(redisUrl);
  const pid = /^process_id:(\d+)/m.exec(await redis.info('server'))?.[1];
  redis.disconnect();
  return Number(pid);
}

describe('while tokens are spent at two replicas', () => {
  it('Redis is killed, emptied and stopped, and no token buys two connections, nor none', async () => {
    const { services } = world;
    const load = new Load(world, () => urls);
    await measured('Redis there', load, () => load.more(150));

    await services.killRedis();
    expect(await measured('Redis killed', load, () => load.more(150))).toBeGreaterThanOrEqual(150);
    await services.restartRedis();
    await measured('Redis there again', load, () => load.more(100));

    for (let time = 0; time < 5; time += 1) {
      await services.flushRedis();
      await load.more(30);
    }

    const pid = await processOf(services.redisUrl);
    process.kill(pid, 'SIGSTOP');
    const stopped = await measured('Redis stopped', load, () => load.more(100)).finally(() =>
      process.kill(pid, 'SIGCONT'),
    );
    expect(stopped).toBeGreaterThanOrEqual(100);
    await measured('Redis going on', load, () => load.more(100));

    await load.stop();
    console.log('answers by status:', Object.fromEntries(load.seen));
    // 503 only from a node that was slow to acknowledge; never a fault of the service.
    expect([...load.seen.keys()].filter((status) => ![200, 409, 503].includes(status))).toEqual([]);
    await load.expectSound(nodes);
    expect(await connectionsOf(world)).toHaveLength(load.spent);
  }, 300_000);

  it('a replica starts while Redis is stopped, and serves', async () => {
    const pid = await processOf(world.services.redisUrl);
    process.kill(pid, 'SIGSTOP');
    try {
      const third = await world.replica();
      const load = new Load(world, () => [third.url], 2);
      await load.more(5);
      await load.stop();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});
