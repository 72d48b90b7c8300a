import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wireguardKey } from '../support/fleet.js';
import { HoldingProxy, type Moment } from '../support/holding-proxy.js';
import { query } from '../support/stack.js';
import { http, postgres } from '../support/wire-protocols.js';
import { type Answer, ask, untilAnswered } from './asking.js';
import { blindedTexts, countedFor, personWithQuota, sign, signIn, signUntilAnswered, startTrial } from './people.js';
import { Reserve } from './reserve.js';
import { createWorld, type Replica, type World } from './world.js';

/** Kills the service at every statement by which it signs, gets to know a person, grants a trial or enrols a node. */
let world: World;
let heir: Replica;
let reserve: Reserve;
let front: HoldingProxy;
let toPostgres: HoldingProxy;
let url: string;

beforeAll(async () => {
  world = await createWorld();
  heir = world.first;
  const { services, env } = world;
  toPostgres = await HoldingProxy.start([Number(new URL(services.ownerUrl).port)], postgres);
  front = await HoldingProxy.start([heir.port], http);
  url = `http://127.0.0.1:${front.port}`;
  const settings = {
    IDENTITY_DATABASE_URL: toPostgres.through(env['IDENTITY_DATABASE_URL'] ?? ''),
    NETWORK_DATABASE_URL: toPostgres.through(env['NETWORK_DATABASE_URL'] ?? ''),
  };
  reserve = new Reserve(world, settings);
});

afterAll(async () => {
  await reserve.stop();
  await Promise.all([front, toPostgres].map((proxy) => proxy.stop()));
  await world.stop();
});

/** Sends a request, and kills the service when it has come to a statement; the heir takes over. */
async function killAt<A extends Answer>(
  proxy: HoldingProxy,
  moment: Moment,
  matches: RegExp,
  request: () => Promise<A>,
) {
  const victim = await reserve.take();
  front.switchTo(victim.port);
  const arrived = proxy.hold(moment, matches);
  const lost = request();
  const first = await Promise.race([arrived.then(() => undefined), lost]);
  if (first !== undefined) throw new Error(`never came to this statement: ${JSON.stringify(first)}`);
  await victim.kill();
  front.switchTo(heir.port);
  expect(await lost).toEqual({ status: 0 });
}

const moments: Moment[] = ['before', 'after'];

describe.each(moments)('killed %s the messages are counted', (moment) => {
  it('signs them for free when they come again, and no more than the quota', async () => {
    const person = await personWithQuota(world, [url], 5);
    const messages = blindedTexts(3);
    await killAt(toPostgres, moment, /INSERT INTO "TokenIssuance"/, () => sign(url, person, messages));
    expect(await countedFor(world, person)).toBe(moment === 'before' ? 0 : 3);
    const answer = await signUntilAnswered([url], person, messages);
    expect(answer.status).toBe(200);
    expect((await signUntilAnswered([url], person, messages)).signatures).toEqual(answer.signatures);
    expect(await countedFor(world, person)).toBe(3);
    expect(await signUntilAnswered([url], person, blindedTexts(3))).toMatchObject({ status: 429, remaining: 2 });
    expect((await signUntilAnswered([url], person, blindedTexts(2))).status).toBe(200);
  });
});

it('killed before the signatures reach their owner: gives the same ones', async () => {
  const person = await personWithQuota(world, [url], 2);
  const messages = blindedTexts(2);
  await killAt(front, 'after', /^POST \/auth\/vpn-token /, () => sign(url, person, messages));
  expect((await signUntilAnswered([url], person, messages)).status).toBe(200);
  expect(await countedFor(world, person)).toBe(2);
});

describe.each(moments)('killed %s a person gets their row', (moment) => {
  it('has one row for them when they come again', async () => {
    const person = await signIn(world);
    const subscription = () => ask(`${url}/subscription`, { headers: person.headers });
    await killAt(toPostgres, moment, /INSERT INTO "User"/, subscription);
    expect((await untilAnswered([url], subscription)).status).toBe(200);
    const rows = await query(world.services.ownerUrl, 'SELECT 1 FROM identity."User" WHERE firebase_uid = $1', [
      person.uid,
    ]);
    expect(rows).toHaveLength(1);
  });
});

describe.each(moments)('killed %s a trial is granted', (moment) => {
  it('has granted it whole or not at all, and once', async () => {
    const person = await signIn(world);
    await killAt(toPostgres, moment, /INSERT INTO "TrialGrant"/, () => startTrial(url, person));
    const again = await untilAnswered([url], () => startTrial(url, person));
    expect(again.status).toBe(moment === 'before' ? 201 : 409);
    const subscription = await ask<Answer & { active?: boolean }>(`${url}/subscription`, { headers: person.headers });
    expect(subscription.active).toBe(true);
    expect((await startTrial(url, person)).status).toBe(409);
  });
});

describe.each(moments)('killed %s a node is enrolled', (moment) => {
  it('enrols it when it comes again, for one use of its token', async () => {
    const location = `se-${moment}`;
    const token = await world.openLocation(location, 2);
    const registration = { public_key: wireguardKey(), ip: '192.0.2.1', location_id: location };
    const register = () =>
      ask(`${url}/node/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(registration),
      });
    await killAt(toPostgres, moment, /INSERT INTO "Node"/, register);
    expect((await untilAnswered([url], register)).status).toBe(201);
    const [left] = await query<{ uses_left: number }>(
      world.services.ownerUrl,
      'SELECT uses_left FROM network."EnrolmentToken" WHERE location_id = $1',
      [location],
    );
    expect(left?.uses_left).toBe(1);
  });
});
