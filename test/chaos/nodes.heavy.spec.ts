import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldingProxy } from '../support/holding-proxy.js';
import { http } from '../support/wire-protocols.js';
import { inParallel, untilAnswered } from './asking.js';
import { KillableNode } from './killable-node.js';
import { expectNodesToAgree, frankfurt, peersOf } from './nodes.js';
import { disconnect, redeem, redeemUntilAnswered, type SpendAnswer, spendOf } from './spending.js';
import { createWorld, type World } from './world.js';

let world: World;
let front: HoldingProxy;
let node: KillableNode;
let url: string;

beforeAll(async () => {
  world = await createWorld();
  front = await HoldingProxy.start([world.first.port], http);
  url = `http://127.0.0.1:${front.port}`;
  node = await KillableNode.start(world, url, frankfurt);
});

afterAll(async () => {
  await node.killAgent();
  await front.stop();
  await world.stop();
});

async function connect(count: number): Promise<SpendAnswer[]> {
  const answers = await inParallel(10, await world.mint.take(count), (token) =>
    redeemUntilAnswered([url], spendOf(token)),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(count).fill(200));
  return answers;
}

const end = (connections: readonly SpendAnswer[]) =>
  Promise.all(connections.map((each) => untilAnswered([url], (at) => disconnect(at, each.connection_secret))));

const agree = () => expectNodesToAgree(world, [node]);

describe('a node whose agent is killed', () => {
  it('keeps its peers; the agent that comes back adds what came and drops what went meanwhile', async () => {
    const connections = await connect(20);
    const before = await peersOf([node]);
    await node.killAgent();
    await end(connections.slice(0, 5));
    const tokens = (await world.mint.take(5)).map((token) => spendOf(token));
    // Nobody acknowledges them: not one is answered, and not one is spent.
    const refused = await Promise.all(tokens.map((spend) => redeem(url, spend)));
    expect(refused.map(({ status }) => status)).toEqual(Array(5).fill(503));
    expect(await peersOf([node])).toEqual(before);

    node.startAgent();
    const answers = await Promise.all(tokens.map((spend) => redeemUntilAnswered([url], spend)));
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(200));
    await agree();
    // Those that stayed were never touched: a session that runs would have broken.
    expect(node.driver.removed.sort()).toEqual(
      connections
        .slice(0, 5)
        .map(({ public_key }) => public_key)
        .sort(),
    );
  });

  it('acknowledges again what it had installed and not yet said', async () => {
    const [token] = await world.mint.take(1);
    if (token === undefined) throw new Error('no token was made');
    const spend = spendOf(token);
    const arrived = front.hold('before', /^POST \/node\/[^/]+\/acks /);
    const answer = redeemUntilAnswered([url], spend);
    await arrived;
    expect(await peersOf([node])).toContain(spend.public_key);
    await node.killAgent();
    node.startAgent();
    expect((await answer).status).toBe(200);
    await agree();
  });
});

describe('a node that starts anew without any peer', () => {
  it('gets all that it shall have', async () => {
    await connect(20);
    await node.reboot();
    await agree();
  });
});

describe('while the service is away', () => {
  it('a node keeps its peers, and takes over what changed when another replica comes', async () => {
    const connections = await connect(10);
    const before = await peersOf([node]);
    await world.first.kill();
    const removed = node.driver.removed.length;
    // The agent has noticed, and tried to come back.
    await expect.poll(() => front.refused).toBeGreaterThan(3);
    expect(await peersOf([node])).toEqual(before);
    expect(node.driver.removed).toHaveLength(removed);

    const next = await world.replica();
    front.switchTo(next.port);
    await end(connections.slice(0, 3));
    await connect(3);
    await agree();
  });
});
