import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wireguardKey } from '../support/fleet.js';
import { HoldingProxy, type Moment } from '../support/holding-proxy.js';
import { query } from '../support/stack.js';
import { http, postgres } from '../support/wire-protocols.js';
import { type Answer, send, retryUntilAnswered } from './requests.js';
import {
  blindedTexts,
  countIssued,
  signInWithQuota,
  requestSignatures,
  signIn,
  requestSignaturesUntilAnswered,
  startTrial,
} from './users.js';
import { StandbyReplicas } from './standby-replicas.js';
import { startCluster, type Replica, type Cluster } from './cluster.js';

/**
 * Kills the service before and after each statement by which it counts signatures, creates a user, grants a trial or enrols a
 * node. Another replica, the successor, takes over.
 */
let cluster: Cluster;
let successor: Replica;
let standby: StandbyReplicas;
let front: HoldingProxy;
let toPostgres: HoldingProxy;
let url: string;

beforeAll(async () => {
  cluster = await startCluster();
  successor = cluster.firstReplica;
  const { services, env } = cluster;
  toPostgres = await HoldingProxy.start([Number(new URL(services.ownerUrl).port)], postgres);
  front = await HoldingProxy.start([successor.port], http);
  url = `http://127.0.0.1:${front.port}`;
  const settings = {
    IDENTITY_DATABASE_URL: toPostgres.through(env['IDENTITY_DATABASE_URL'] ?? ''),
    NETWORK_DATABASE_URL: toPostgres.through(env['NETWORK_DATABASE_URL'] ?? ''),
  };
  standby = new StandbyReplicas(cluster, settings);
});

afterAll(async () => {
  await standby.stop();
  await Promise.all([front, toPostgres].map((proxy) => proxy.stop()));
  await cluster.stop();
});

/** Sends a request, kills the service at the matching statement, and switches the clients to the successor. */
async function killAt<A extends Answer>(
  proxy: HoldingProxy,
  moment: Moment,
  matches: RegExp,
  request: () => Promise<A>,
) {
  const victim = await standby.take();
  front.switchTo(victim.port);
  const reached = proxy.hold(moment, matches);
  const interrupted = request();
  const earlyAnswer = await Promise.race([reached.then(() => undefined), interrupted]);
  if (earlyAnswer !== undefined) {
    throw new Error(`the service answered before the statement: ${JSON.stringify(earlyAnswer)}`);
  }
  await victim.kill();
  front.switchTo(successor.port);
  expect(await interrupted).toEqual({ status: 0 });
}

const moments: Moment[] = ['before', 'after'];

describe.each(moments)('issuance, when the service is killed %s it counts the messages', (moment) => {
  it('does not count the same messages twice on a retry, and does not exceed the quota', async () => {
    const user = await signInWithQuota(cluster, [url], 5);
    const messages = blindedTexts(3);
    await killAt(toPostgres, moment, /INSERT INTO "TokenIssuance"/, () => requestSignatures(url, user, messages));
    expect(await countIssued(cluster, user)).toBe(moment === 'before' ? 0 : 3);
    const answer = await requestSignaturesUntilAnswered([url], user, messages);
    expect(answer.status).toBe(200);
    expect((await requestSignaturesUntilAnswered([url], user, messages)).signatures).toEqual(answer.signatures);
    expect(await countIssued(cluster, user)).toBe(3);
    expect(await requestSignaturesUntilAnswered([url], user, blindedTexts(3))).toMatchObject({
      status: 429,
      remaining: 2,
    });
    expect((await requestSignaturesUntilAnswered([url], user, blindedTexts(2))).status).toBe(200);
  });
});

describe('issuance, when the service is killed before its answer reaches the client', () => {
  it('signs the same messages again without counting them twice', async () => {
    const user = await signInWithQuota(cluster, [url], 2);
    const messages = blindedTexts(2);
    await killAt(front, 'after', /^POST \/auth\/vpn-token /, () => requestSignatures(url, user, messages));
    expect((await requestSignaturesUntilAnswered([url], user, messages)).status).toBe(200);
    expect(await countIssued(cluster, user)).toBe(2);
  });
});

describe.each(moments)('the first request of a user, when the service is killed %s it inserts the user', (moment) => {
  it('leads to exactly one row when the client retries', async () => {
    const user = await signIn(cluster);
    const subscription = () => send(`${url}/subscription`, { headers: user.headers });
    await killAt(toPostgres, moment, /INSERT INTO "User"/, subscription);
    expect((await retryUntilAnswered([url], subscription)).status).toBe(200);
    const rows = await query(cluster.services.ownerUrl, 'SELECT 1 FROM identity."User" WHERE firebase_uid = $1', [
      user.uid,
    ]);
    expect(rows).toHaveLength(1);
  });
});

describe.each(moments)('the start of a trial, when the service is killed %s it grants the trial', (moment) => {
  it('has granted the trial completely or not at all, and grants it only once', async () => {
    const user = await signIn(cluster);
    await killAt(toPostgres, moment, /INSERT INTO "TrialGrant"/, () => startTrial(url, user));
    const again = await retryUntilAnswered([url], () => startTrial(url, user));
    expect(again.status).toBe(moment === 'before' ? 201 : 409);
    const subscription = await send<Answer & { active?: boolean }>(`${url}/subscription`, { headers: user.headers });
    expect(subscription.active).toBe(true);
    expect((await startTrial(url, user)).status).toBe(409);
  });
});

describe.each(moments)('node registration, when the service is killed %s it inserts the node', (moment) => {
  it('enrols the node on a retry and uses its enrolment token only once', async () => {
    const location = `se-${moment}`;
    const token = await cluster.addLocation(location, 2);
    const registration = { public_key: wireguardKey(), ip: '192.0.2.1', location_id: location };
    const register = () =>
      send(`${url}/node/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(registration),
      });
    await killAt(toPostgres, moment, /INSERT INTO "Node"/, register);
    expect((await retryUntilAnswered([url], register)).status).toBe(201);
    const [left] = await query<{ uses_left: number }>(
      cluster.services.ownerUrl,
      'SELECT uses_left FROM network."EnrolmentToken" WHERE location_id = $1',
      [location],
    );
    expect(left?.uses_left).toBe(1);
  });
});
