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
 * When a process is killed between two steps, only the writes of the steps before remain. These tests create exactly that
 * state, and then redeem as the same client and as a thief.
 */

let anonymizer: TestAnonymizer;
let silent: SilentNode;
let working: AgentNode;
let request: RedemptionRequest;

beforeAll(async () => {
  anonymizer = await startAnonymizer();
  silent = await anonymizer.addSilentNode();
  working = await anonymizer.addNode();
});

beforeEach(async () => {
  await anonymizer.setStatus(silent, 'unhealthy');
  await anonymizer.setStatus(working, 'healthy');
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

/** The state after step 5. */
async function leaveMark(): Promise<void> {
  const publicKey = Buffer.from(request.public_key, 'base64');
  const fingerprint = createHash('sha256').update(bytesOf(request.token)).update(publicKey).digest('base64url');
  const { verifyUntil } = anonymizer.issuer.signingKey();
  await anonymizer.redis.set(spentKey(), fingerprint, 'EXAT', verifyUntil.getTime() / 1_000 + 3_600);
}

/** The state after step 6: a row on a node that does not acknowledge, which the service could not delete. */
async function leaveMarkAndPendingRow(): Promise<void> {
  await anonymizer.setStatus(silent, 'healthy');
  await anonymizer.setStatus(working, 'draining');
  await query(
    anonymizer.stack.ownerUrl,
    `CREATE FUNCTION network.spare() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
     CREATE TRIGGER spare BEFORE DELETE ON network."Connection" FOR EACH ROW EXECUTE FUNCTION network.spare()`,
  );
  expect(await anonymizer.redeem(request)).toMatchObject({ status: 503, code: 'unavailable' });
  await query(anonymizer.stack.ownerUrl, 'DROP FUNCTION network.spare CASCADE');
  await anonymizer.setStatus(silent, 'unhealthy');
  await anonymizer.setStatus(working, 'healthy');
  const { mark, row } = await anonymizer.traces(request);
  expect(mark).toBeDefined();
  expect(row).toMatchObject({ status: 'pending', node_id: silent.id });
}

const deleteMark = async () => void (await anonymizer.redis.del(spentKey()));

async function leaveActiveRow(): Promise<void> {
  expect((await anonymizer.connect(request)).status).toBe(200);
}

async function leaveEndedRow(): Promise<void> {
  const { connection_secret = '' } = await anonymizer.connect(request);
  await anonymizer.disconnect(connection_secret);
  await expect.poll(async () => (await anonymizer.traces(request)).row?.status).toBe('ended');
}

describe('RedemptionService after a kill that left', () => {
  const both = (first: () => Promise<void>, then: () => Promise<void>) => () => first().then(then);

  it.each<[what: string, leave: () => Promise<void>]>([
    ['the mark alone', leaveMark],
    ['mark and pending row', leaveMarkAndPendingRow],
    ['a pending row alone', both(leaveMarkAndPendingRow, deleteMark)],
    ['mark and active row', leaveActiveRow],
    ['an active row alone', both(leaveActiveRow, deleteMark)],
  ])('%s returns the connection to the same client only', async (_what, leave) => {
    await leave();
    expect(await thief()).toMatchObject(reused);
    expect(await keyless()).toMatchObject(reused);
    const answer = await anonymizer.connect(request);
    expect(answer).toMatchObject({ status: 200, server_public_key: working.publicKey, public_key: request.public_key });
    expect(await thief()).toMatchObject(reused);
    expect(await keyless()).toMatchObject(reused);
    expect(await anonymizer.connect(request)).toMatchObject({ status: 200, connection_id: answer.connection_id });
    const installed = (await working.driver.list()).filter(({ publicKey }) => publicKey === request.public_key);
    expect(installed).toHaveLength(1);
  });

  it.each<[what: string, leave: () => Promise<void>]>([
    ['mark and ended row', leaveEndedRow],
    ['an ended row alone', both(leaveEndedRow, deleteMark)],
  ])('%s refuses the token for every client', async (_what, leave) => {
    await leave();
    expect(await thief()).toMatchObject(reused);
    expect(await keyless()).toMatchObject(reused);
    expect(await anonymizer.redeem(request)).toMatchObject(reused);
    expect(await anonymizer.traces(request)).toMatchObject({ row: { status: 'ended', public_key: null } });
  });
});

describe('RedemptionService with a pending row left by a kill', () => {
  it('returns the connection to its client once the node has acknowledged it', async () => {
    await leaveMarkAndPendingRow();
    const { id = '', revision = 0 } = (await anonymizer.traces(request)).row ?? {};
    expect(await anonymizer.acknowledge(silent, { connection_id: id, revision })).toBe(true);
    expect(await anonymizer.connect(request)).toMatchObject({ status: 200, server_public_key: silent.publicKey });
  });

  it('returns the connection to its client even if Redis was flushed and a thief’s mark was set first', async () => {
    await leaveMarkAndPendingRow();
    await anonymizer.redis.set(spentKey(), 'the fingerprint of another client');
    expect(await thief()).toMatchObject(reused);
    expect(await anonymizer.connect(request)).toMatchObject({ status: 200, public_key: request.public_key });
  });

  it('removes the mark of a thief, which could cost the client its token', async () => {
    await leaveMarkAndPendingRow();
    await deleteMark();
    expect(await thief()).toMatchObject(reused);
    expect((await anonymizer.traces(request)).mark).toBeUndefined();
  });
});

describe('RedemptionService without a public_key', () => {
  it('loses the token when it is killed after the mark, as the API documents', async () => {
    await anonymizer.redis.set(spentKey(), 'random bytes that no client can repeat');
    expect(await keyless()).toMatchObject(reused);
    expect(await anonymizer.redeem(request)).toMatchObject(reused);
  });

  it('does not lose the token when it answers with an error', async () => {
    await anonymizer.setStatus(silent, 'healthy');
    await anonymizer.setStatus(working, 'draining');
    expect(await keyless()).toMatchObject({ status: 503, code: 'no_capacity' });
    expect(await anonymizer.traces(request)).toEqual({ mark: undefined, row: undefined });
    await anonymizer.setStatus(silent, 'unhealthy');
    await anonymizer.setStatus(working, 'healthy');
    expect((await anonymizer.connect(withoutKey())).status).toBe(200);
  });
});
