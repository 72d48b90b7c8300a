import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldingProxy } from '../support/holding-proxy.js';
import { http } from '../support/wire-protocols.js';
import { inParallel, retryUntilAnswered } from './requests.js';
import { KillableNode } from './killable-node.js';
import { expectPeersToMatchDatabase, frankfurt, peerKeysOf } from './nodes.js';
import {
  disconnect,
  redeem,
  redeemUntilAnswered,
  type RedemptionAnswer,
  redemptionRequestFor,
} from './redemption-requests.js';
import { startCluster, type Cluster } from './cluster.js';

let cluster: Cluster;
let front: HoldingProxy;
let node: KillableNode;
let url: string;

beforeAll(async () => {
  cluster = await startCluster();
  front = await HoldingProxy.start([cluster.firstReplica.port], http);
  url = `http://127.0.0.1:${front.port}`;
  node = await KillableNode.start(cluster, url, frankfurt);
});

afterAll(async () => {
  await node.killAgent();
  await front.stop();
  await cluster.stop();
});

async function connect(count: number): Promise<RedemptionAnswer[]> {
  const answers = await inParallel(10, await cluster.mint.take(count), (token) =>
    redeemUntilAnswered([url], redemptionRequestFor(token)),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(count).fill(200));
  return answers;
}

const disconnectAll = (connections: readonly RedemptionAnswer[]) =>
  Promise.all(
    connections.map(({ connection_secret: secret }) =>
      retryUntilAnswered([url], (backendUrl) => disconnect(backendUrl, secret)),
    ),
  );

const expectPeersToMatch = () => expectPeersToMatchDatabase(cluster, [node]);

describe('a node, when its agent is killed', () => {
  it('keeps its peers, and applies the changes that it missed when its agent restarts', async () => {
    const connections = await connect(20);
    const before = await peerKeysOf([node]);
    await node.killAgent();
    await disconnectAll(connections.slice(0, 5));
    const requests = (await cluster.mint.take(5)).map((token) => redemptionRequestFor(token));
    // No agent acknowledges the peers, so the service refuses the redemptions and spends no token.
    const refused = await Promise.all(requests.map((request) => redeem(url, request)));
    expect(refused.map(({ status }) => status)).toEqual(Array(5).fill(503));
    expect(await peerKeysOf([node])).toEqual(before);

    node.startAgent();
    const answers = await Promise.all(requests.map((request) => redeemUntilAnswered([url], request)));
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(200));
    await expectPeersToMatch();
    // The agent must not remove and add again the other peers: that would interrupt their sessions.
    expect(node.driver.removed.sort()).toEqual(
      connections
        .slice(0, 5)
        .map(({ public_key }) => public_key)
        .sort(),
    );
  });

  it('acknowledges a peer that it had applied but not acknowledged before the kill', async () => {
    const [token] = await cluster.mint.take(1);
    if (token === undefined) throw new Error('the mint returned no token');
    const request = redemptionRequestFor(token);
    const reached = front.hold('before', /^POST \/node\/[^/]+\/acks /);
    const answer = redeemUntilAnswered([url], request);
    await reached;
    expect(await peerKeysOf([node])).toContain(request.public_key);
    await node.killAgent();
    node.startAgent();
    expect((await answer).status).toBe(200);
    await expectPeersToMatch();
  });
});

describe('a node that restarts without peers', () => {
  it('receives all of its peers again', async () => {
    await connect(20);
    await node.reboot();
    await expectPeersToMatch();
  });
});

describe('a node, when the backend is down', () => {
  it('keeps its peers, and applies later changes when another replica serves', async () => {
    const connections = await connect(10);
    const before = await peerKeysOf([node]);
    await cluster.firstReplica.kill();
    const removed = node.driver.removed.length;
    // The agent has noticed the failure and has tried to reconnect.
    await expect.poll(() => front.refusedConnections).toBeGreaterThan(3);
    expect(await peerKeysOf([node])).toEqual(before);
    expect(node.driver.removed).toHaveLength(removed);

    const next = await cluster.startReplica();
    front.switchTo(next.port);
    await disconnectAll(connections.slice(0, 3));
    await connect(3);
    await expectPeersToMatch();
  });
});
