import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postJson, wireguardKey } from '../support/fleet.js';
import { patiently } from '../support/patiently.js';
import { query } from '../support/stack.js';
import { inParallel, isFinal, shortPause, retryUntilAnswered } from './requests.js';
import { type ChaosNode, connectionsOf, expectPeersToMatchDatabase, startNodes } from './nodes.js';
import {
  blindedTexts,
  countIssued,
  signInWithQuota,
  signIn,
  requestSignaturesUntilAnswered,
  startTrial,
} from './users.js';
import {
  disconnect,
  redeem,
  redeemUntilAnswered,
  type RedemptionRequest,
  type RedemptionAnswer,
  redemptionRequestFor,
} from './redemption-requests.js';
import { startCluster, type Cluster } from './cluster.js';

/** Many clients race for a limited resource at two replicas. The service must never grant more than there is. */
let cluster: Cluster;
let urls: string[];
let nodes: ChaosNode[];

beforeAll(async () => {
  cluster = await startCluster();
  urls = [cluster.firstReplica.url, (await cluster.startReplica()).url];
});

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await cluster.stop();
});

const urlAt = (turn: number) => urls[turn % urls.length] ?? '';
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('a quota of 10', () => {
  it('gives each of 20 users exactly 10 signatures when 100 of their requests race', async () => {
    const users = await inParallel(5, numbers(20), () => signInWithQuota(cluster, urls, 10));
    await inParallel(4, users, async (user) => {
      const answers = await Promise.all(
        numbers(100).map((turn) => requestSignaturesUntilAnswered(urls, user, blindedTexts(1), turn)),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
      expect(answers.filter(({ code }) => code === 'token_quota_exceeded')).toHaveLength(90);
      expect(await countIssued(cluster, user)).toBe(10);
    });
  });
});

describe('the trial', () => {
  it('is granted once to each of 10 users when 30 of their requests race', async () => {
    await inParallel(5, numbers(10), async () => {
      const user = await signIn(cluster);
      const answers = await Promise.all(
        numbers(30).map((turn) => retryUntilAnswered(urls, (url) => startTrial(url, user), turn)),
      );
      // On a busy machine, a request may get a 503 although it was granted the trial. Its retry then gets a 409.
      expect(answers.filter(({ status }) => status === 201).length).toBeLessThanOrEqual(1);
      expect(new Set(answers.flatMap(({ status, code }) => (status === 201 ? [] : [code])))).toEqual(
        new Set(['trial_already_used']),
      );
      const granted = await query(
        cluster.services.ownerUrl,
        `SELECT s.status::text FROM identity."Subscription" s JOIN identity."User" u ON u.id = s.user_id
         WHERE u.firebase_uid = $1`,
        [user.uid],
      );
      expect(granted).toEqual([{ status: 'TRIAL' }]);
    });
  });
});

describe('an enrolment token for 10 nodes', () => {
  const register = async (turn: number, token: string, publicKey: string, location: string) => {
    const registration = { public_key: publicKey, ip: '192.0.2.1', location_id: location };
    return (await patiently(() => postJson(`${urlAt(turn)}/node/register`, registration, token))).status;
  };

  it('enrols 10 of 100 nodes that race for it', async () => {
    const token = await cluster.addLocation('at-vienna', 10);
    const statuses = await Promise.all(numbers(100).map((turn) => register(turn, token, wireguardKey(), 'at-vienna')));
    expect(statuses.filter((status) => status === 201)).toHaveLength(10);
    expect(statuses.filter((status) => status === 401)).toHaveLength(90);
  });

  it('loses only one use when one node registers 50 times at once', async () => {
    const token = await cluster.addLocation('ch-zurich', 10);
    const key = wireguardKey();
    const statuses = await Promise.all(numbers(50).map((turn) => register(turn, token, key, 'ch-zurich')));
    expect(new Set(statuses)).toEqual(new Set([201]));
    const rows = await query(
      cluster.services.ownerUrl,
      `SELECT count(n.id)::int AS nodes, t.uses_left AS left FROM network."EnrolmentToken" t
       LEFT JOIN network."Node" n ON n.location_id = t.location_id
       WHERE t.location_id = 'ch-zurich' GROUP BY t.uses_left`,
    );
    expect(rows).toEqual([{ nodes: 1, left: 9 }]);
  });
});

describe('three nodes with 1,500 slots in total', () => {
  it('serve 1,500 of 2,000 tokens, and the other 500 after 500 clients disconnect', async () => {
    nodes = await startNodes(cluster, urls, { count: 3, capacity: 500 });
    const requests = (await cluster.mint.take(2_000)).map((token) => redemptionRequestFor(token));
    let assigned = 0;
    const redeemUntilAssignedOrFull = async (request: RedemptionRequest, turn: number): Promise<RedemptionAnswer> => {
      for (let attempt = turn; ; attempt += 1) {
        const answer = await redeem(urlAt(attempt), request);
        if (answer.status === 200) assigned += 1;
        if (isFinal(answer) || (assigned === 1_500 && answer.code === 'no_capacity')) return answer;
        await shortPause();
      }
    };
    const answers = await inParallel(60, [...requests.entries()], ([turn, request]) =>
      redeemUntilAssignedOrFull(request, turn),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1_500);
    expect(new Set(answers.map(({ status, code }) => code ?? status))).toEqual(new Set([200, 'no_capacity']));
    expect(await connectionsOf(cluster)).toHaveLength(1_500);
    const slots = await query(
      cluster.services.ownerUrl,
      `SELECT count(DISTINCT slot)::int AS slots, min(slot) AS first, max(slot) AS last
       FROM network."Connection" GROUP BY node_id`,
    );
    expect(slots).toEqual(numbers(3).map(() => ({ slots: 500, first: 1, last: 500 })));

    const [winners, losers] = [200, 503].map((status) =>
      requests.filter((_, turn) => answers[turn]?.status === status),
    );
    const secrets = answers.flatMap(({ connection_secret }) => connection_secret ?? []).slice(0, 500);
    await inParallel(20, secrets, (secret) => retryUntilAnswered(urls, (url) => disconnect(url, secret)));
    const second = await inParallel(20, losers ?? [], (request) => redeemUntilAnswered(urls, request));
    expect(second.map(({ status }) => status)).toEqual(Array(500).fill(200));
    expect(winners).toHaveLength(1_500);
    await expectPeersToMatchDatabase(cluster, nodes);
  }, 300_000);
});
