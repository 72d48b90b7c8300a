import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postJson, wireguardKey } from '../support/fleet.js';
import { patiently } from '../support/patiently.js';
import { query } from '../support/stack.js';
import { inParallel, isFinal, moment, untilAnswered } from './asking.js';
import { type ChaosNode, connectionsOf, expectNodesToAgree, startNodes } from './nodes.js';
import { blindedTexts, countedFor, personWithQuota, signIn, signUntilAnswered, startTrial } from './people.js';
import { disconnect, redeem, redeemUntilAnswered, type Spend, type SpendAnswer, spendOf } from './spending.js';
import { createWorld, type World } from './world.js';

/** What there is only so much of, asked for by many more than can have it, at two replicas at once. */
let world: World;
let urls: string[];
let nodes: ChaosNode[];

beforeAll(async () => {
  world = await createWorld();
  urls = [world.first.url, (await world.replica()).url];
});

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await world.stop();
});

const at = (turn: number) => urls[turn % urls.length] ?? '';
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('a quota of 10', () => {
  it('gives each of 20 people 10 signatures, whatever 100 requests of theirs race for them', async () => {
    const people = await inParallel(5, numbers(20), () => personWithQuota(world, urls, 10));
    await inParallel(4, people, async (person) => {
      const answers = await Promise.all(
        numbers(100).map((turn) => signUntilAnswered(urls, person, blindedTexts(1), turn)),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
      expect(answers.filter(({ code }) => code === 'token_quota_exceeded')).toHaveLength(90);
      expect(await countedFor(world, person)).toBe(10);
    });
  });
});

describe('one trial', () => {
  it('is granted once to each of 10 people, whatever 30 requests of theirs race for it', async () => {
    await inParallel(5, numbers(10), async () => {
      const person = await signIn(world);
      const answers = await Promise.all(
        numbers(30).map((turn) => untilAnswered(urls, (url) => startTrial(url, person), turn)),
      );
      // Whoever was granted it may have been told to try again, by a pool with too many waiting for it.
      expect(answers.filter(({ status }) => status === 201).length).toBeLessThanOrEqual(1);
      expect(new Set(answers.flatMap(({ status, code }) => (status === 201 ? [] : [code])))).toEqual(
        new Set(['trial_already_used']),
      );
      const granted = await query(
        world.services.ownerUrl,
        `SELECT s.status::text FROM identity."Subscription" s JOIN identity."User" u ON u.id = s.user_id
         WHERE u.firebase_uid = $1`,
        [person.uid],
      );
      expect(granted).toEqual([{ status: 'TRIAL' }]);
    });
  });
});

describe('an enrolment token for 10 nodes', () => {
  const register = async (turn: number, token: string, publicKey: string, location: string) => {
    const registration = { public_key: publicKey, ip: '192.0.2.1', location_id: location };
    return (await patiently(() => postJson(`${at(turn)}/node/register`, registration, token))).status;
  };

  it('enrols 10 of 100 that race for it', async () => {
    const token = await world.openLocation('at-vienna', 10);
    const statuses = await Promise.all(numbers(100).map((turn) => register(turn, token, wireguardKey(), 'at-vienna')));
    expect(statuses.filter((status) => status === 201)).toHaveLength(10);
    expect(statuses.filter((status) => status === 401)).toHaveLength(90);
  });

  it('is used once by one node that registers 50 times at once', async () => {
    const token = await world.openLocation('ch-zurich', 10);
    const key = wireguardKey();
    const statuses = await Promise.all(numbers(50).map((turn) => register(turn, token, key, 'ch-zurich')));
    expect(new Set(statuses)).toEqual(new Set([201]));
    const rows = await query(
      world.services.ownerUrl,
      `SELECT count(n.id)::int AS nodes, t.uses_left AS left FROM network."EnrolmentToken" t
       LEFT JOIN network."Node" n ON n.location_id = t.location_id
       WHERE t.location_id = 'ch-zurich' GROUP BY t.uses_left`,
    );
    expect(rows).toEqual([{ nodes: 1, left: 9 }]);
  });
});

describe('1,500 places on three nodes', () => {
  it('are given to 1,500 of 2,000 tokens, and to the other 500 when places come free', async () => {
    nodes = await startNodes(world, urls, { count: 3, capacity: 500 });
    const spends = (await world.mint.take(2_000)).map((token) => spendOf(token));
    let given = 0;
    const untilGivenOrFull = async (spend: Spend, turn: number): Promise<SpendAnswer> => {
      for (let attempt = turn; ; attempt += 1) {
        const answer = await redeem(at(attempt), spend);
        if (answer.status === 200) given += 1;
        if (isFinal(answer) || (given === 1_500 && answer.code === 'no_capacity')) return answer;
        // A full node is not asked again at once.
        await moment();
      }
    };
    const answers = await inParallel(60, [...spends.entries()], ([turn, spend]) => untilGivenOrFull(spend, turn));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1_500);
    expect(new Set(answers.map(({ status, code }) => code ?? status))).toEqual(new Set([200, 'no_capacity']));
    expect(await connectionsOf(world)).toHaveLength(1_500);
    const places = await query(
      world.services.ownerUrl,
      `SELECT count(DISTINCT slot)::int AS places, min(slot) AS first, max(slot) AS last
       FROM network."Connection" GROUP BY node_id`,
    );
    expect(places).toEqual(numbers(3).map(() => ({ places: 500, first: 1, last: 500 })));

    const [winners, losers] = [200, 503].map((status) => spends.filter((_, turn) => answers[turn]?.status === status));
    const secrets = answers.flatMap(({ connection_secret }) => connection_secret ?? []).slice(0, 500);
    await inParallel(20, secrets, (secret) => untilAnswered(urls, (url) => disconnect(url, secret)));
    const second = await inParallel(20, losers ?? [], (spend) => redeemUntilAnswered(urls, spend));
    expect(second.map(({ status }) => status)).toEqual(Array(500).fill(200));
    expect(winners).toHaveLength(1_500);
    await expectNodesToAgree(world, nodes);
  }, 300_000);
});
