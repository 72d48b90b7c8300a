import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldingProxy } from '../support/holding-proxy.js';
import { http, postgres } from '../support/wire-protocols.js';
import { RedemptionLoad } from './redemption-load.js';
import { type ChaosNode, startNodes } from './nodes.js';
import { blindedTexts, signInWithQuota, requestSignatures } from './users.js';
import { redeem, redemptionRequestFor } from './redemption-requests.js';
import { startCluster, type Replica, type Cluster } from './cluster.js';

let cluster: Cluster;
/** Stands in for a load balancer. */
let front: HoldingProxy;
let nodes: ChaosNode[];
let url: string;

beforeAll(async () => {
  cluster = await startCluster();
  front = await HoldingProxy.start([cluster.firstReplica.port], http);
  url = `http://127.0.0.1:${front.port}`;
  nodes = await startNodes(cluster, [url], { count: 2 });
});

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await front.stop();
  await cluster.stop();
});

describe('a replica that receives SIGTERM', () => {
  it('finishes the requests it has begun, refuses new ones, and exits within 30 seconds', async () => {
    const { services, env } = cluster;
    const toPostgres = await HoldingProxy.start([Number(new URL(services.ownerUrl).port)], postgres);
    const leaving = await cluster.startReplica({
      NODE_ACK_TIMEOUT_MS: '4000',
      IDENTITY_DATABASE_URL: toPostgres.through(env['IDENTITY_DATABASE_URL'] ?? ''),
      NETWORK_DATABASE_URL: toPostgres.through(env['NETWORK_DATABASE_URL'] ?? ''),
    });
    const [token] = await cluster.mint.take(1);
    const user = await signInWithQuota(cluster, [url], 1);
    if (token === undefined) throw new Error('the mint returned no token');
    const [insertingConnection, countingMessage] = [
      toPostgres.hold('before', /INSERT INTO "Connection"/),
      toPostgres.hold('before', /INSERT INTO "TokenIssuance"/),
    ];
    const redemption = redeem(leaving.url, redemptionRequestFor(token));
    const issuing = requestSignatures(leaving.url, user, blindedTexts(1));
    const held = await Promise.all([insertingConnection, countingMessage]);

    const stoppedAt = performance.now();
    const ended = leaving.stop();
    await expect.poll(() => leaving.log()).toContain('"msg":"draining"');
    await expect
      .poll(async () => (await fetch(`${leaving.url}/health/live`).catch(() => undefined))?.status)
      .toBe(undefined);
    for (const connection of held) connection.release();
    expect((await redemption).status).toBe(200);
    expect((await issuing).status).toBe(200);
    expect(await ended).toBe(0);
    expect(performance.now() - stoppedAt).toBeLessThan(30_000);
    await toPostgres.stop();
  });
});

describe('a rolling restart of two replicas behind a load balancer', () => {
  it('loses no token, and nodes keep their peers', async () => {
    let serving: Replica[] = [cluster.firstReplica, await cluster.startReplica()];
    const ports = () => serving.map(({ port }) => port);
    front.setTargets(...ports());
    const load = new RedemptionLoad(cluster, () => [url], 6);
    for (let restart = 0; restart < 4; restart += 1) {
      await load.waitForTokens(30);
      const [oldest, other] = serving;
      const next = await cluster.startReplica();
      serving = [other ?? next, next];
      front.setTargets(...ports());
      expect(await oldest?.stop()).toBe(0);
    }
    await load.waitForTokens(30);
    await load.stop();
    console.log(`${load.tokensSpent} tokens spent; answers by status:`, Object.fromEntries(load.statusCounts));
    expect([...load.statusCounts.keys()].filter((status) => ![200, 409, 503, 0].includes(status))).toEqual([]);
    await load.expectEachTokenSpentOnce(nodes);
  }, 300_000);
});
