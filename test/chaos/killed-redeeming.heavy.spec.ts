import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldingProxy } from '../support/holding-proxy.js';
import { query } from '../support/stack.js';
import { http, postgres, redis } from '../support/wire-protocols.js';
import { type ChaosNode, expectNodesToAgree, frankfurt, nodesInStep, startNodes } from './nodes.js';
import { Reserve } from './reserve.js';
import { redeem, redeemUntilAnswered, type Spend, type SpendAnswer, spendOf } from './spending.js';
import { createWorld, type Replica, type World } from './world.js';

/**
 * Kills the service at every step of a redemption. Its stores and its clients are behind proxies that stop the world at a
 * statement: before it has reached the store, or when it is done and its answer has not come back. Another replica, the heir,
 * then has to make good of what it finds.
 */

/** One node alone, so that there is nowhere to move to. */
const stockholm = 'se-stockholm';

let world: World;
let heir: Replica;
let reserve: Reserve;
/** Where clients and nodes find the service. */
let front: HoldingProxy;
let toPostgres: HoldingProxy;
let toRedis: HoldingProxy;
let pair: ChaosNode[];
let single: ChaosNode[];
let url: string;

const portOf = (storeUrl: string) => Number(new URL(storeUrl).port);

beforeAll(async () => {
  world = await createWorld();
  heir = world.first;
  const { services, env } = world;
  toPostgres = await HoldingProxy.start([portOf(services.ownerUrl)], postgres);
  toRedis = await HoldingProxy.start([portOf(services.redisUrl)], redis);
  front = await HoldingProxy.start([heir.port], http);
  url = `http://127.0.0.1:${front.port}`;
  pair = await startNodes(world, [url], { count: 2 });
  single = await startNodes(world, [url], { count: 1, location: stockholm });
  reserve = new Reserve(world, {
    NETWORK_DATABASE_URL: toPostgres.through(env['NETWORK_DATABASE_URL'] ?? ''),
    NETWORK_REDIS_URL: toRedis.through(services.redisUrl),
  });
});

afterAll(async () => {
  await reserve.stop();
  await Promise.all([...pair, ...single].map(({ agent }) => agent.stop()));
  await Promise.all([front, toPostgres, toRedis].map((proxy) => proxy.stop()));
  await world.stop();
});

interface Step {
  readonly name: string;
  /** Nothing says whose the token is after a kill here: whoever comes first may have it. */
  readonly free?: true;
  readonly location?: string;
  /** Resolves when the redemption has come to this step; what it then resolves to undoes what was held besides. */
  readonly reached: () => Promise<(() => void) | void>;
}

const before = (name: string, proxy: () => HoldingProxy, matches: RegExp): Step => ({
  name: `before ${name}`,
  reached: async () => void (await proxy().hold('before', matches)),
});

const after = (name: string, proxy: () => HoldingProxy, matches: RegExp): Step => ({
  name: `after ${name}`,
  reached: async () => void (await proxy().hold('after', matches)),
});

/** The same, while no node of the location takes the peer. */
const unacknowledged = (step: Step, location: string): Step => ({
  ...step,
  location,
  reached: async () => {
    const nodes = location === stockholm ? single : pair;
    const holds = nodes.map(({ driver }) => driver.hold('apply'));
    await step.reached();
    return () => holds.forEach(({ release }) => release());
  },
});

const [mark, row, active] = [/^set spent:/i, /INSERT INTO "Connection"/, /SET status = 'active'/];
const [move, release, unmark] = [
  /WITH gone AS/,
  /DELETE FROM "Connection"\s+WHERE id = \S+ AND node_id/,
  /^eval .* spent:/i,
];

const steps: Step[] = [
  { ...before('the token is marked as spent', () => toRedis, mark), free: true },
  after('the token is marked as spent', () => toRedis, mark),
  before('the connection gets its row', () => toPostgres, row),
  after('the connection gets its row', () => toPostgres, row),
  {
    name: 'before the node has the peer',
    location: stockholm,
    reached: async () => {
      const held = single.map(({ driver }) => driver.hold('apply'));
      await Promise.all(held.map(({ reached }) => reached));
      return () => held.forEach(({ release: goOn }) => goOn());
    },
  },
  before('the node says that it has the peer', () => front, /^POST \/node\/[^/]+\/acks /),
  before('the row becomes active', () => toPostgres, active),
  after('the row becomes active', () => toPostgres, active),
  after('the service has answered', () => front, /^POST \/vpn\/config /),
  unacknowledged(
    before('it is moved to another node', () => toPostgres, move),
    frankfurt,
  ),
  unacknowledged(
    after('it is moved to another node', () => toPostgres, move),
    frankfurt,
  ),
  unacknowledged(
    before('its place is taken back', () => toPostgres, release),
    stockholm,
  ),
  unacknowledged(
    after('its place is taken back', () => toPostgres, release),
    stockholm,
  ),
  unacknowledged(
    before('its mark is taken back', () => toRedis, unmark),
    stockholm,
  ),
  {
    ...unacknowledged(
      after('its mark is taken back', () => toRedis, unmark),
      stockholm,
    ),
    free: true,
  },
];

/** Brings a redemption to a step and kills the service there; the heir takes over. */
async function killAt({ reached }: Step, spend: Spend): Promise<void> {
  const victim = await reserve.take();
  const since = Date.now();
  front.switchTo(victim.port);
  await nodesInStep([...pair, ...single], since);
  const arrived = reached();
  const lost = redeem(url, spend);
  const answeredFirst = lost.then((answer) => ({ answer }));
  const undo = await Promise.race([arrived, answeredFirst]);
  if (typeof undo === 'object') {
    // A driver that stays held would block its agent in all later tests, and in stop().
    for (const { driver } of [...pair, ...single]) driver.release();
    throw new Error(`never came to this step: ${JSON.stringify(undo.answer)}`);
  }
  await victim.kill();
  front.switchTo(heir.port);
  undo?.();
  expect(await lost).toEqual({ status: 0 });
}

const refused = { status: 409, code: 'token_reused' };

const rowsFor = (answers: readonly SpendAnswer[]) =>
  query(world.services.ownerUrl, `SELECT id FROM network."Connection" WHERE id = ANY($1::uuid[])`, [
    answers.map(({ connection_id }) => connection_id),
  ]);

const liveRows = async () => {
  const [row] = await query<{ n: number }>(
    world.services.ownerUrl,
    'SELECT count(*)::int AS n FROM network."Connection"',
  );
  return row?.n ?? 0;
};

describe.each(steps)('killed $name', (step) => {
  it('the same client gets its connection by asking again, and nobody else does', async () => {
    const [token] = await world.mint.take(1);
    if (token === undefined) throw new Error('no token');
    const [owner, thief] = [spendOf(token, step.location), spendOf(token, step.location)];
    const rows = await liveRows();
    await killAt(step, owner);
    if (step.free !== true) expect(await redeemUntilAnswered([url], thief)).toMatchObject(refused);
    const answer = await redeemUntilAnswered([url], owner);
    expect(answer).toMatchObject({ status: 200 });
    expect(await redeemUntilAnswered([url], owner)).toEqual(answer);
    expect(await redeemUntilAnswered([url], thief)).toMatchObject(refused);
    expect(await liveRows()).toBe(rows + 1);
    expect(await rowsFor([answer])).toHaveLength(1);
  });

  it('with Redis emptied as well, one of two keys gets a connection, and the other never', async () => {
    const [token] = await world.mint.take(1);
    if (token === undefined) throw new Error('no token');
    const [owner, thief] = [spendOf(token, step.location), spendOf(token, step.location)];
    const rows = await liveRows();
    await killAt(step, owner);
    await world.services.flushRedis();
    const answers = await Promise.all([thief, owner].map((spend) => redeemUntilAnswered([url], spend)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    await world.services.flushRedis();
    const again = await Promise.all([thief, owner].map((spend) => redeemUntilAnswered([url], spend)));
    expect(again).toEqual(answers);
    expect(await liveRows()).toBe(rows + 1);
  });

  it('a client without a key of its own gets no second connection', async () => {
    const [token] = await world.mint.take(1);
    if (token === undefined) throw new Error('no token');
    const { public_key: _, ...keyless } = spendOf(token, step.location);
    const rows = await liveRows();
    await killAt(step, keyless);
    const answers = [await redeemUntilAnswered([url], keyless), await redeemUntilAnswered([url], keyless)];
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(await liveRows()).toBeLessThanOrEqual(rows + 1);
  });
});

it('afterwards the nodes have the peers that the database gives them, and no others', async () => {
  await expectNodesToAgree(world, [...pair, ...single]);
});
