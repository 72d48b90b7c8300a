import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type AgentNode,
  type RedemptionRequest,
  type SilentNode,
  startAnonymizer,
  type TestAnonymizer,
} from '../support/anonymizer.js';
import { wireguardKey } from '../support/fleet.js';
import { query } from '../support/stack.js';
import { tokenHashOf } from '../../src/connection/index.js';

/*
 * A kill between two steps leaves what the steps before it have written, and nothing else: these tests put exactly that
 * there, and then let the same client and a thief come.
 */

let anonymizer: TestAnonymizer;
let silent: SilentNode;
let good: AgentNode;
let request: RedemptionRequest;

beforeAll(async () => {
  anonymizer = await startAnonymizer();
  silent = await anonymizer.addSilentNode();
  good = await anonymizer.addNode();
});

beforeEach(async () => {
  await anonymizer.setStatus(silent, 'unhealthy');
  await anonymizer.setStatus(good, 'healthy');
  request = await anonymizer.request();
});

afterAll(() => anonymizer.stop());

const reused = { status: 409, code: 'token_reused' };
const thief = () => anonymizer.redeem({ ...request, public_key: wireguardKey() });
const withoutKey = () => {
  const { public_key: _, ...rest } = request;
  return rest;
};
const keyless = () => anonymizer.redeem(withoutKey());
const bytesOf = (text: string) => Buffer.from(text, 'base64url');
const spentKey = () => `spent:${tokenHashOf(bytesOf(request.token)).toString('hex')}`;

/** Step 5 and no further. */
async function leaveMark(): Promise<void> {
  const publicKey = Buffer.from(request.public_key, 'base64');
  const fingerprint = createHash('sha256').update(bytesOf(request.token)).update(publicKey).digest('base64url');
  const { verifyUntil } = anonymizer.issuer.signingKey();
  await anonymizer.redis.set(spentKey(), fingerprint, 'EXAT', verifyUntil.getTime() / 1_000 + 3_600);
}

/** Step 6 and no further: the service's own row, on a node that says nothing, which the service could not take back. */
async function leaveMarkAndPendingRow(): Promise<void> {
  await anonymizer.setStatus(silent, 'healthy');
  await anonymizer.setStatus(good, 'draining');
  await query(
    anonymizer.stack.ownerUrl,
    `CREATE FUNCTION network.spare() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
     CREATE TRIGGER spare BEFORE DELETE ON network."Connection" FOR EACH ROW EXECUTE FUNCTION network.spare()`,
  );
  expect(await anonymizer.redeem(request)).toMatchObject({ status: 503, code: 'unavailable' });
  await query(anonymizer.stack.ownerUrl, 'DROP FUNCTION network.spare CASCADE');
  await anonymizer.setStatus(silent, 'unhealthy');
  await anonymizer.setStatus(good, 'healthy');
  const { mark, row } = await anonymizer.traces(request);
  expect(mark).toBeDefined();
  expect(row).toMatchObject({ status: 'pending', node_id: silent.id });
}

const forgetMark = async () => void (await anonymizer.redis.del(spentKey()));

async function leaveActiveRow(): Promise<void> {
  expect((await anonymizer.connect(request)).status).toBe(200);
}

async function leaveEndedRow(): Promise<void> {
  const { connection_secret = '' } = await anonymizer.connect(request);
  await anonymizer.disconnect(connection_secret);
  await expect.poll(async () => (await anonymizer.traces(request)).row?.status).toBe('ended');
}

describe('after a kill that left', () => {
  const both = (first: () => Promise<void>, then: () => Promise<void>) => () => first().then(then);

  it.each<[what: string, leave: () => Promise<void>]>([
    ['the mark alone', leaveMark],
    ['mark and pending row', leaveMarkAndPendingRow],
    ['a pending row alone', both(leaveMarkAndPendingRow, forgetMark)],
    ['mark and active row', leaveActiveRow],
    ['an active row alone', both(leaveActiveRow, forgetMark)],
  ])('%s: the same client gets its connection, nobody else does', async (_what, leave) => {
    await leave();
    expect(await thief()).toMatchObject(reused);
    expect(await keyless()).toMatchObject(reused);
    const answer = await anonymizer.connect(request);
    expect(answer).toMatchObject({ status: 200, server_public_key: good.publicKey, public_key: request.public_key });
    expect(await thief()).toMatchObject(reused);
    expect(await keyless()).toMatchObject(reused);
    expect(await anonymizer.connect(request)).toMatchObject({ status: 200, connection_id: answer.connection_id });
    const installed = (await good.driver.list()).filter(({ publicKey }) => publicKey === request.public_key);
    expect(installed).toHaveLength(1);
  });

  it.each<[what: string, leave: () => Promise<void>]>([
    ['mark and ended row', leaveEndedRow],
    ['an ended row alone', both(leaveEndedRow, forgetMark)],
  ])('%s: the token is spent, for everybody', async (_what, leave) => {
    await leave();
    expect(await thief()).toMatchObject(reused);
    expect(await keyless()).toMatchObject(reused);
    expect(await anonymizer.redeem(request)).toMatchObject(reused);
    expect(await anonymizer.traces(request)).toMatchObject({ row: { status: 'ended', public_key: null } });
  });
});

describe('a pending row that a kill has left', () => {
  it('is its client’s as well once its own node has taken it', async () => {
    await leaveMarkAndPendingRow();
    const { id = '', revision = 0 } = (await anonymizer.traces(request)).row ?? {};
    expect(await anonymizer.acknowledge(silent, { connection_id: id, revision })).toBe(true);
    expect(await anonymizer.connect(request)).toMatchObject({ status: 200, server_public_key: silent.publicKey });
  });

  it('is its client’s although Redis was flushed and a thief’s mark came first', async () => {
    await leaveMarkAndPendingRow();
    await anonymizer.redis.set(spentKey(), 'the fingerprint of somebody else');
    expect(await thief()).toMatchObject(reused);
    expect(await anonymizer.connect(request)).toMatchObject({ status: 200, public_key: request.public_key });
  });

  it('leaves no mark of a thief behind, whose kill could then cost the client its token', async () => {
    await leaveMarkAndPendingRow();
    await forgetMark();
    expect(await thief()).toMatchObject(reused);
    expect((await anonymizer.traces(request)).mark).toBeUndefined();
  });
});

describe('without a public_key', () => {
  it('a kill after the mark costs the token, as the API says', async () => {
    await anonymizer.redis.set(spentKey(), 'random bytes that nobody can repeat');
    expect(await keyless()).toMatchObject(reused);
    expect(await anonymizer.redeem(request)).toMatchObject(reused);
  });

  it('an orderly failure does not', async () => {
    await anonymizer.setStatus(silent, 'healthy');
    await anonymizer.setStatus(good, 'draining');
    expect(await keyless()).toMatchObject({ status: 503, code: 'no_capacity' });
    expect(await anonymizer.traces(request)).toEqual({ mark: undefined, row: undefined });
    await anonymizer.setStatus(silent, 'unhealthy');
    await anonymizer.setStatus(good, 'healthy');
    expect((await anonymizer.connect(withoutKey())).status).toBe(200);
  });
});
