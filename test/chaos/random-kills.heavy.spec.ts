import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type MintedToken } from '../support/minted-tokens.js';
import { SeededRandom } from '@vpn-backend/fake-providers/testing';
import { HoldingProxy } from '../support/holding-proxy.js';
import { query } from '../support/stack.js';
import { http } from '../support/wire-protocols.js';
import { retryUntilAnswered } from './requests.js';
import { type ChaosNode, connectionsOf, expectPeersToMatchDatabase, startNodes } from './nodes.js';
import { blindedTexts, countIssued, type TestUser, signInWithQuota, requestSignaturesUntilAnswered } from './users.js';
import { StandbyReplicas } from './standby-replicas.js';
import {
  disconnect,
  redeemUntilAnswered,
  type RedemptionRequest,
  type RedemptionAnswer,
  redemptionRequestFor,
} from './redemption-requests.js';
import { startCluster, type Cluster } from './cluster.js';

/**
 * Clients request signatures, redeem tokens and disconnect while the service is killed at random moments. They retry until
 * they get a final answer. Two standby replicas are always starting, so that one can take over.
 */
const kills = 40;
const quota = 8;

/** How one token was redeemed. */
interface Spent {
  readonly request: RedemptionRequest;
  readonly answer: RedemptionAnswer;
  readonly disconnected: boolean;
}

interface Issued {
  readonly user: TestUser;
  /** Signature by blinded message. */
  readonly signed: ReadonlyMap<string, string>;
}

let cluster: Cluster;
let front: HoldingProxy;
let nodes: ChaosNode[];
let url: string;
let spent: Spent[];
let issued: Issued[];

beforeAll(async () => {
  cluster = await startCluster();
  front = await HoldingProxy.start([cluster.firstReplica.port], http);
  url = `http://127.0.0.1:${front.port}`;
  nodes = await startNodes(cluster, [url], { count: 3 });
  const tokens = await cluster.mint.take(10_000);
  let isOver = false;
  const redemptions = Array.from({ length: 8 }, () => redeemTokens(tokens, () => isOver));
  const issuance = issueTokens(() => isOver);
  await killRepeatedly();
  isOver = true;
  spent = (await Promise.all(redemptions)).flat();
  issued = await issuance;
  console.log(`${kills} kills; ${spent.length} tokens spent; ${issued.length} users received signatures`);
}, 600_000);

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await front.stop();
  await cluster.stop();
});

async function killRepeatedly(): Promise<void> {
  const random = new SeededRandom(`kills ${inject('seed')}`);
  const standby = new StandbyReplicas(cluster);
  let current = cluster.firstReplica;
  for (let kill = 0; kill < kills; kill += 1) {
    const next = await standby.take();
    await setTimeout(random.integer(150));
    await current.kill();
    front.switchTo(next.port);
    current = next;
  }
  await standby.stop();
}

/** Redeems one token after the other, and disconnects every second connection. */
async function redeemTokens(tokens: MintedToken[], isOver: () => boolean): Promise<Spent[]> {
  const done: Spent[] = [];
  while (!isOver()) {
    const token = tokens.pop();
    if (token === undefined) throw new Error('the test needs more minted tokens');
    const request = redemptionRequestFor(token);
    const answer = await redeemUntilAnswered([url], request);
    const disconnected = done.length % 2 === 1;
    if (disconnected) await retryUntilAnswered([url], (backendUrl) => disconnect(backendUrl, answer.connection_secret));
    done.push({ request, answer, disconnected });
  }
  return done;
}

/** One user after the other requests signatures in batches of three, each batch twice, until the quota is used up. */
async function issueTokens(isOver: () => boolean): Promise<Issued[]> {
  const done: Issued[] = [];
  while (!isOver()) {
    const user = await signInWithQuota(cluster, [url], quota);
    const signed = new Map<string, string>();
    for (let status = 200; status === 200;) {
      const messages = blindedTexts(3);
      const answer = await requestSignaturesUntilAnswered([url], user, messages);
      const again = await requestSignaturesUntilAnswered([url], user, messages);
      expect(again.signatures).toEqual(answer.signatures);
      for (const [index, signature] of (answer.signatures ?? []).entries())
        signed.set(messages[index] ?? '', signature);
      status = answer.status;
    }
    done.push({ user, signed });
  }
  return done;
}

describe('a service that was killed at random moments', () => {
  it('gave a connection for every token, and answers a retry as before', async () => {
    expect(new Set(spent.map(({ answer }) => answer.status))).toEqual(new Set([200]));
    for (const { request, answer, disconnected } of spent) {
      const again = await redeemUntilAnswered([url], request);
      expect(again).toEqual(disconnected ? { ...again, status: 409, code: 'token_reused' } : answer);
    }
  });

  it('gave no token two connections, left no stray row, and assigned no slot twice', async () => {
    await expectPeersToMatchDatabase(cluster, nodes);
    const rows = await connectionsOf(cluster);
    const expected = spent.map(({ request, answer, disconnected }) => ({
      id: answer.connection_id ?? '',
      status: disconnected ? 'ended' : 'active',
      key: disconnected ? null : request.public_key,
    }));
    expect(rows).toEqual(expected.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
    const slotsAssignedTwice = await query(
      cluster.services.ownerUrl,
      'SELECT node_id, slot FROM network."Connection" WHERE slot IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1',
    );
    expect(slotsAssignedTwice).toEqual([]);
  });

  it('signed no more messages than the quota of each user, and counted each message once', async () => {
    for (const { user, signed } of issued) {
      // The quota of eight has room for two batches of three. The third batch is refused as a whole.
      expect(signed.size).toBe(6);
      expect(await countIssued(cluster, user)).toBe(6);
      const messages = [...signed.keys()].slice(0, 3);
      const again = await requestSignaturesUntilAnswered([url], user, messages);
      expect(again.signatures).toEqual(messages.map((message) => signed.get(message)));
    }
  });
});
