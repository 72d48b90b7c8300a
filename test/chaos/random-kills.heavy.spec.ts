import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type MintedToken } from '../support/minted-tokens.js';
import { SeededRandom } from '@vpn-backend/fake-providers/testing';
import { HoldingProxy } from '../support/holding-proxy.js';
import { query } from '../support/stack.js';
import { http } from '../support/wire-protocols.js';
import { untilAnswered } from './asking.js';
import { type ChaosNode, connectionsOf, expectNodesToAgree, startNodes } from './nodes.js';
import { blindedTexts, countedFor, type Person, personWithQuota, signUntilAnswered } from './people.js';
import { Reserve } from './reserve.js';
import { disconnect, redeemUntilAnswered, type Spend, type SpendAnswer, spendOf } from './spending.js';
import { createWorld, type World } from './world.js';

/**
 * Clients spend tokens, disconnect and have tokens signed, and ask again until they are answered, while the service is killed
 * over and over at random moments: two replicas are always starting, so that one is there to take over.
 */
const kills = 40;
const quota = 8;

/** What one client did with one token. */
interface Spent {
  readonly spend: Spend;
  readonly answer: SpendAnswer;
  readonly disconnected: boolean;
}

/** What one person had signed: signature by message. */
interface Issued {
  readonly person: Person;
  readonly signed: ReadonlyMap<string, string>;
}

let world: World;
let front: HoldingProxy;
let nodes: ChaosNode[];
let url: string;
let spent: Spent[];
let issued: Issued[];

beforeAll(async () => {
  world = await createWorld();
  front = await HoldingProxy.start([world.first.port], http);
  url = `http://127.0.0.1:${front.port}`;
  nodes = await startNodes(world, [url], { count: 3 });
  const tokens = await world.mint.take(10_000);
  let over = false;
  const clients = Array.from({ length: 8 }, () => spendTokens(tokens, () => over));
  const people = issueTokens(() => over);
  await killOverAndOver();
  over = true;
  spent = (await Promise.all(clients)).flat();
  issued = await people;
  console.log(`${kills} kills; ${spent.length} tokens spent; ${issued.length} people had tokens signed`);
}, 600_000);

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await front.stop();
  await world.stop();
});

async function killOverAndOver(): Promise<void> {
  const random = new SeededRandom(`kills ${inject('seed')}`);
  const reserve = new Reserve(world);
  let current = world.first;
  for (let kill = 0; kill < kills; kill += 1) {
    const next = await reserve.take();
    await setTimeout(random.integer(150));
    await current.kill();
    front.switchTo(next.port);
    current = next;
  }
  await reserve.stop();
}

/** Every other connection is ended again. */
async function spendTokens(tokens: MintedToken[], isOver: () => boolean): Promise<Spent[]> {
  const done: Spent[] = [];
  while (!isOver()) {
    const token = tokens.pop();
    if (token === undefined) throw new Error('too few tokens were made');
    const spend = spendOf(token);
    const answer = await redeemUntilAnswered([url], spend);
    const disconnected = done.length % 2 === 1;
    if (disconnected) await untilAnswered([url], (at) => disconnect(at, answer.connection_secret));
    done.push({ spend, answer, disconnected });
  }
  return done;
}

/** One person after the other has three messages signed at a time, each time twice, until no more are. */
async function issueTokens(isOver: () => boolean): Promise<Issued[]> {
  const done: Issued[] = [];
  while (!isOver()) {
    const person = await personWithQuota(world, [url], quota);
    const signed = new Map<string, string>();
    for (let status = 200; status === 200;) {
      const messages = blindedTexts(3);
      const answer = await signUntilAnswered([url], person, messages);
      const again = await signUntilAnswered([url], person, messages);
      expect(again.signatures).toEqual(answer.signatures);
      for (const [index, signature] of (answer.signatures ?? []).entries())
        signed.set(messages[index] ?? '', signature);
      status = answer.status;
    }
    done.push({ person, signed });
  }
  return done;
}

describe('after all the kills', () => {
  it('every token has bought a connection, and says the same when it is asked again', async () => {
    expect(new Set(spent.map(({ answer }) => answer.status))).toEqual(new Set([200]));
    for (const { spend, answer, disconnected } of spent) {
      const again = await redeemUntilAnswered([url], spend);
      expect(again).toEqual(disconnected ? { ...again, status: 409, code: 'token_reused' } : answer);
    }
  });

  it('no token has bought two, no row is nobody’s, no place is given twice', async () => {
    await expectNodesToAgree(world, nodes);
    const rows = await connectionsOf(world);
    const expected = spent.map(({ spend, answer, disconnected }) => ({
      id: answer.connection_id ?? '',
      status: disconnected ? 'ended' : 'active',
      key: disconnected ? null : spend.public_key,
    }));
    expect(rows).toEqual(expected.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
    const places = await query(
      world.services.ownerUrl,
      'SELECT node_id, slot FROM network."Connection" WHERE slot IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1',
    );
    expect(places).toEqual([]);
  });

  it('nobody had more signed than their quota, nor was counted for more than that', async () => {
    for (const { person, signed } of issued) {
      // Two batches of three fit into eight; the third does not, and is refused whole.
      expect(signed.size).toBe(6);
      expect(await countedFor(world, person)).toBe(6);
      const messages = [...signed.keys()].slice(0, 3);
      const again = await signUntilAnswered([url], person, messages);
      expect(again.signatures).toEqual(messages.map((message) => signed.get(message)));
    }
  });
});
