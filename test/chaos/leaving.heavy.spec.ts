import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldingProxy } from '../support/holding-proxy.js';
import { http, postgres } from '../support/wire-protocols.js';
import { Load } from './load.js';
import { type ChaosNode, startNodes } from './nodes.js';
import { blindedTexts, personWithQuota, sign } from './people.js';
import { redeem, spendOf } from './spending.js';
import { createWorld, type Replica, type World } from './world.js';

let world: World;
/** A load balancer as small as can be. */
let front: HoldingProxy;
let nodes: ChaosNode[];
let url: string;

beforeAll(async () => {
  world = await createWorld();
  front = await HoldingProxy.start([world.first.port], http);
  url = `http://127.0.0.1:${front.port}`;
  nodes = await startNodes(world, [url], { count: 2 });
});

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await front.stop();
  await world.stop();
});

describe('a replica that is asked to leave', () => {
  it('answers what it has begun, takes nothing new, and is gone within its grace', async () => {
    const { services, env } = world;
    const toPostgres = await HoldingProxy.start([Number(new URL(services.ownerUrl).port)], postgres);
    const leaving = await world.replica({
      NODE_ACK_TIMEOUT_MS: '4000',
      IDENTITY_DATABASE_URL: toPostgres.through(env['IDENTITY_DATABASE_URL'] ?? ''),
      NETWORK_DATABASE_URL: toPostgres.through(env['NETWORK_DATABASE_URL'] ?? ''),
    });
    const [token] = await world.mint.take(1);
    const person = await personWithQuota(world, [url], 1);
    if (token === undefined) throw new Error('no token was made');
    const [placing, counting] = [
      toPostgres.hold('before', /INSERT INTO "Connection"/),
      toPostgres.hold('before', /INSERT INTO "TokenIssuance"/),
    ];
    const redemption = redeem(leaving.url, spendOf(token));
    const issuing = sign(leaving.url, person, blindedTexts(1));
    const held = await Promise.all([placing, counting]);

    const asked = performance.now();
    const ended = leaving.stop();
    await expect.poll(() => leaving.log()).toContain('"msg":"draining"');
    await expect
      .poll(async () => (await fetch(`${leaving.url}/health/live`).catch(() => undefined))?.status)
      .toBe(undefined);
    for (const each of held) each.release();
    expect((await redemption).status).toBe(200);
    expect((await issuing).status).toBe(200);
    expect(await ended).toBe(0);
    expect(performance.now() - asked).toBeLessThan(30_000);
    await toPostgres.stop();
  });
});

describe('a rolling restart of two replicas behind a load balancer', () => {
  it('burns no token, and nodes keep their peers', async () => {
    let serving: Replica[] = [world.first, await world.replica()];
    const ports = () => serving.map(({ port }) => port);
    front.use(...ports());
    const load = new Load(world, () => [url], 6);
    for (let restart = 0; restart < 4; restart += 1) {
      await load.more(30);
      const [oldest, other] = serving;
      const next = await world.replica();
      serving = [other ?? next, next];
      front.use(...ports());
      expect(await oldest?.stop()).toBe(0);
    }
    await load.more(30);
    await load.stop();
    console.log(`${load.spent} tokens spent; answers by status:`, Object.fromEntries(load.seen));
    expect([...load.seen.keys()].filter((status) => ![200, 409, 503, 0].includes(status))).toEqual([]);
    await load.expectSound(nodes);
  }, 300_000);
});
