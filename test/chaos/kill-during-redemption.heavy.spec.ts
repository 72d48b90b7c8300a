import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldingProxy } from '../support/holding-proxy.js';
import { query } from '../support/stack.js';
import { http, postgres, redis } from '../support/wire-protocols.js';
import { type ChaosNode, expectPeersToMatchDatabase, frankfurt, waitUntilSynced, startNodes } from './nodes.js';
import { StandbyReplicas } from './standby-replicas.js';
import {
  redeem,
  redeemUntilAnswered,
  type RedemptionRequest,
  type RedemptionAnswer,
  redemptionRequestFor,
} from './redemption-requests.js';
import { startCluster, type Replica, type Cluster } from './cluster.js';

/**
 * Kills the service at each step of a redemption. Proxies in front of the service, PostgreSQL and Redis hold its connections
 * either before a statement reaches the store, or after the store has executed it and before the service gets the answer.
 * Another replica, the successor, then has to continue from the state that the killed one left.
 */

/** A location with a single node, so that a connection can't move to another one. */
const stockholm = 'se-stockholm';

let cluster: Cluster;
let successor: Replica;
let standby: StandbyReplicas;
/** Clients and nodes reach the service through this proxy. */
let front: HoldingProxy;
let toPostgres: HoldingProxy;
let toRedis: HoldingProxy;
let pair: ChaosNode[];
let single: ChaosNode[];
let url: string;

const portOf = (storeUrl: string) => Number(new URL(storeUrl).port);

beforeAll(async () => {
  cluster = await startCluster();
  successor = cluster.firstReplica;
  const { services, env } = cluster;
  toPostgres = await HoldingProxy.start([portOf(services.ownerUrl)], postgres);
  toRedis = await HoldingProxy.start([portOf(services.redisUrl)], redis);
  front = await HoldingProxy.start([successor.port], http);
  url = `http://127.0.0.1:${front.port}`;
  pair = await startNodes(cluster, [url], { count: 2 });
  single = await startNodes(cluster, [url], { count: 1, location: stockholm });
  standby = new StandbyReplicas(cluster, {
    NETWORK_DATABASE_URL: toPostgres.through(env['NETWORK_DATABASE_URL'] ?? ''),
    NETWORK_REDIS_URL: toRedis.through(services.redisUrl),
  });
});

afterAll(async () => {
  await standby.stop();
  await Promise.all([...pair, ...single].map(({ agent }) => agent.stop()));
  await Promise.all([front, toPostgres, toRedis].map((proxy) => proxy.stop()));
  await cluster.stop();
});

interface Step {
  readonly name: string;
  /** True when a kill at this step leaves the token unspent: any client may then redeem it. */
  readonly leavesTokenUnspent?: true;
  readonly location?: string;
  /**
   * Resolves when the redemption has reached this step: to a function that resumes the node drivers, if the step paused them.
   * Absent for the step at which the service has answered.
   */
  readonly reached?: () => Promise<(() => void) | void>;
}

const before = (name: string, proxy: () => HoldingProxy, matches: RegExp): Step => ({
  name: `before ${name}`,
  reached: async () => void (await proxy().hold('before', matches)),
});

const after = (name: string, proxy: () => HoldingProxy, matches: RegExp): Step => ({
  name: `after ${name}`,
  reached: async () => void (await proxy().hold('after', matches)),
});

/** The same step while no node of the location acknowledges the peer. */
const unacknowledged = (step: Step, location: string): Step => ({
  ...step,
  location,
  reached: async () => {
    const nodes = location === stockholm ? single : pair;
    const pauses = nodes.map(({ driver }) => driver.pauseNext('apply'));
    await step.reached?.();
    return () => pauses.forEach(({ resume }) => resume());
  },
});

const [markSpent, insertConnection, activate] = [/^set spent:/i, /INSERT INTO "Connection"/, /SET status = 'active'/];
const [moveConnection, deleteConnection, unmarkSpent] = [
  /WITH removed AS/,
  /DELETE FROM "Connection"\s+WHERE id = \S+ AND node_id/,
  /^eval .* spent:/i,
];

const steps: Step[] = [
  { ...before('it marks the token as spent', () => toRedis, markSpent), leavesTokenUnspent: true },
  after('it marks the token as spent', () => toRedis, markSpent),
  before('it inserts the connection', () => toPostgres, insertConnection),
  after('it inserts the connection', () => toPostgres, insertConnection),
  {
    name: 'before the node applies the peer',
    location: stockholm,
    reached: async () => {
      const pauses = single.map(({ driver }) => driver.pauseNext('apply'));
      await Promise.all(pauses.map(({ reached }) => reached));
      return () => pauses.forEach(({ resume }) => resume());
    },
  },
  before('it receives the acknowledgement of the node', () => front, /^POST \/node\/[^/]+\/acks /),
  before('it activates the connection', () => toPostgres, activate),
  after('it activates the connection', () => toPostgres, activate),
  { name: 'after it answers' },
  unacknowledged(
    before('it moves the connection to another node', () => toPostgres, moveConnection),
    frankfurt,
  ),
  unacknowledged(
    after('it moves the connection to another node', () => toPostgres, moveConnection),
    frankfurt,
  ),
  unacknowledged(
    before('it deletes an unacknowledged connection', () => toPostgres, deleteConnection),
    stockholm,
  ),
  unacknowledged(
    after('it deletes an unacknowledged connection', () => toPostgres, deleteConnection),
    stockholm,
  ),
  unacknowledged(
    before('it marks the token as unspent again', () => toRedis, unmarkSpent),
    stockholm,
  ),
  {
    ...unacknowledged(
      after('it marks the token as unspent again', () => toRedis, unmarkSpent),
      stockholm,
    ),
    leavesTokenUnspent: true,
  },
];

/** Sends a redemption, kills the service at a step of it, and switches the clients to the successor. */
async function killAt({ reached }: Step, request: RedemptionRequest): Promise<void> {
  const victim = await standby.take();
  const since = Date.now();
  front.switchTo(victim.port);
  await waitUntilSynced([...pair, ...single], since);
  // The answer is held, too. The service waits only 100 ms for a held Redis, so on a busy machine it may answer before the kill.
  const answered = front.hold('after', /^POST \/vpn\/config /);
  const atStep = reached?.().then((resume) => ({ resume }));
  const interrupted = redeem(url, request);
  const first = await Promise.race(atStep === undefined ? [answered] : [atStep, answered]);
  if (atStep !== undefined && 'release' in first) {
    // A driver that stays paused would block its agent in all later tests, and in stop().
    for (const { driver } of [...pair, ...single]) driver.resume();
    first.release();
    throw new Error(`the service answered before this step: ${JSON.stringify(await interrupted)}`);
  }
  await victim.kill();
  front.switchTo(successor.port);
  if ('resume' in first) first.resume?.();
  expect(await interrupted).toEqual({ status: 0 });
}

const refused = { status: 409, code: 'token_reused' };

const rowsFor = (answers: readonly RedemptionAnswer[]) =>
  query(cluster.services.ownerUrl, `SELECT id FROM network."Connection" WHERE id = ANY($1::uuid[])`, [
    answers.map(({ connection_id }) => connection_id),
  ]);

const countConnections = async () => {
  const [row] = await query<{ n: number }>(
    cluster.services.ownerUrl,
    'SELECT count(*)::int AS n FROM network."Connection"',
  );
  return row?.n ?? 0;
};

describe.each(steps)('a redemption, when the service is killed $name', (step) => {
  it('succeeds when the same client retries, and fails for another client', async () => {
    const [token] = await cluster.mint.take(1);
    if (token === undefined) throw new Error('the mint returned no token');
    const [owner, thief] = [redemptionRequestFor(token, step.location), redemptionRequestFor(token, step.location)];
    const rows = await countConnections();
    await killAt(step, owner);
    if (step.leavesTokenUnspent !== true) expect(await redeemUntilAnswered([url], thief)).toMatchObject(refused);
    const answer = await redeemUntilAnswered([url], owner);
    expect(answer).toMatchObject({ status: 200 });
    expect(await redeemUntilAnswered([url], owner)).toEqual(answer);
    expect(await redeemUntilAnswered([url], thief)).toMatchObject(refused);
    expect(await countConnections()).toBe(rows + 1);
    expect(await rowsFor([answer])).toHaveLength(1);
  });

  it('succeeds for only one of two clients when Redis loses its data as well', async () => {
    const [token] = await cluster.mint.take(1);
    if (token === undefined) throw new Error('the mint returned no token');
    const [owner, thief] = [redemptionRequestFor(token, step.location), redemptionRequestFor(token, step.location)];
    const rows = await countConnections();
    await killAt(step, owner);
    await cluster.services.flushRedis();
    const answers = await Promise.all([thief, owner].map((request) => redeemUntilAnswered([url], request)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    await cluster.services.flushRedis();
    const again = await Promise.all([thief, owner].map((request) => redeemUntilAnswered([url], request)));
    expect(again).toEqual(answers);
    expect(await countConnections()).toBe(rows + 1);
  });

  it('gives at most one connection to a client that sends no public key', async () => {
    const [token] = await cluster.mint.take(1);
    if (token === undefined) throw new Error('the mint returned no token');
    const { public_key: _, ...keyless } = redemptionRequestFor(token, step.location);
    const rows = await countConnections();
    await killAt(step, keyless);
    const answers = [await redeemUntilAnswered([url], keyless), await redeemUntilAnswered([url], keyless)];
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(await countConnections()).toBeLessThanOrEqual(rows + 1);
  });
});

describe('the nodes, after all these kills', () => {
  it('have exactly the peers of the active connections in the database', async () => {
    await expectPeersToMatchDatabase(cluster, [...pair, ...single]);
  });
});
