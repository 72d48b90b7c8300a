import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { gatekeeperEnv, startTestApp } from '../support/app.js';
import { type SignedIn, startGatekeeper, type TestGatekeeper } from '../support/gatekeeper.js';
import { query } from '../support/stack.js';
import { FirebaseClient, SignOutService } from '../../src/auth/index.js';
import { type Account, type AuditTrail } from '../../src/account/account.schema.js';

let gatekeeper: TestGatekeeper;
let user: SignedIn;

beforeAll(async () => {
  gatekeeper = await startGatekeeper();
});
afterAll(() => gatekeeper.stop());
beforeEach(async () => {
  // Firebase dates sign-ins by the machine's clock.
  gatekeeper.clock.set(new Date());
  user = await gatekeeper.signIn();
  expect((await ask('GET', '/subscription')).status).toBe(200);
});

const sql = <Row extends Record<string, unknown>>(text: string, values?: unknown[]) =>
  query<Row>(gatekeeper.stack.ownerUrl, text, values);

async function ask<T>(method: string, path: string, body?: unknown, headers = user.headers) {
  const response = await fetch(`${gatekeeper.service.url}${path}`, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as T & { code?: string } };
}

async function idOf(uid: string): Promise<string> {
  const [row] = await sql<{ id: string }>('SELECT id FROM identity."User" WHERE firebase_uid = $1', [uid]);
  return row?.id ?? '';
}

describe('POST /auth/signout-everywhere', () => {
  it('refuses all earlier sign-ins at once, on every replica, and records the act', async () => {
    const replica = await startTestApp(
      { SERVICE_ROLE: 'gatekeeper', ...gatekeeperEnv(gatekeeper.stack, gatekeeper.firebase) },
      gatekeeper.clock,
    );
    const { uid, headers } = await gatekeeper.signInLongAgo();
    const statusAtReplica = async () => (await fetch(`${replica.url}/subscription`, { headers })).status;
    expect([await statusAtReplica(), (await ask('GET', '/subscription', undefined, headers)).status]).toEqual([
      200, 200,
    ]);
    expect((await ask('POST', '/auth/signout-everywhere', undefined, headers)).status).toBe(204);
    expect((await ask('GET', '/subscription', undefined, headers)).status).toBe(401);
    await expect.poll(statusAtReplica).toBe(401);
    await replica.stop();
    gatekeeper.clock.advance(1_000);
    const again = await gatekeeper.signInAgain(uid);
    const { body } = await ask<AuditTrail>('GET', '/account/audit', undefined, again);
    expect(body.acts).toEqual([
      { at: expect.any(String) as string, by: 'you', action: 'account.sign_out_everywhere', reason: null },
    ]);
  });

  const job = (key: string) => sql('SELECT 1 FROM identity_jobs.jobs WHERE key = $1', [key]);
  const validAfter = async (uid: string) =>
    (
      await gatekeeper.service.app.get(FirebaseClient, { strict: false }).fetchAccount(uid)
    )?.tokensValidAfter.getTime() ?? 0;
  /** Runs the delayed job now, and waits until it is done. */
  const runJob = async (uid: string) => {
    const key = `sign-out:${await idOf(uid)}`;
    await sql('UPDATE identity_jobs._private_jobs SET run_at = now() WHERE key = $1', [key]);
    await expect.poll(() => job(key)).toEqual([]);
  };

  it('works here while the provider is down, and at the provider when it is back', async () => {
    const { uid, headers } = await gatekeeper.signInLongAgo();
    expect((await ask('GET', '/subscription', undefined, headers)).status).toBe(200);
    const before = await validAfter(uid);
    gatekeeper.firebase.goDown();
    const { status } = await ask('POST', '/auth/signout-everywhere', undefined, headers);
    gatekeeper.firebase.comeBack();
    expect([status, await validAfter(uid)]).toEqual([204, before]);
    expect((await ask('GET', '/subscription', undefined, headers)).body.code).toBe('invalid_id_token');
    await runJob(uid);
    expect(await validAfter(uid)).toBeGreaterThan(before);
    gatekeeper.clock.advance(60_000);
    gatekeeper.clock.advance(1_000);
    const again = await gatekeeper.signInAgain(uid);
    const { body } = await ask<AuditTrail>('GET', '/account/audit', undefined, again);
    expect(body.acts.map(({ action }) => action)).toEqual(['account.sign_out_everywhere']);
  });

  it('is not repeated by its job, which would revoke newer sign-ins', async () => {
    await ask('POST', '/auth/signout-everywhere');
    gatekeeper.clock.advance(3_600_000);
    gatekeeper.firebase.revoke(user.uid);
    const later = await validAfter(user.uid);
    await runJob(user.uid);
    expect(await validAfter(user.uid)).toBe(later);
  });

  it('removes the push devices after one last push', async () => {
    const token = `token-of-a-device-${randomUUID()}`;
    expect((await ask('POST', '/account/devices', { platform: 'ios', token })).status).toBe(201);
    expect((await ask('POST', '/auth/signout-everywhere')).status).toBe(204);
    expect(await sql('SELECT 1 FROM identity."PushDevice" WHERE token = $1', [token])).toEqual([]);
    const pushes = () => gatekeeper.firebase.pushes.filter((push) => push.token === token);
    await expect.poll(() => pushes().length).toBe(1);
    expect(pushes()).toMatchObject([{ data: { kind: 'signed_out_everywhere' } }]);
    const deliveries = 'SELECT 1 FROM identity."NotificationDelivery" WHERE address = $1';
    await expect.poll(() => sql(deliveries, [token])).toEqual([]);
    gatekeeper.clock.advance(2_000);
    const again = await gatekeeper.signInAgain(user.uid);
    expect((await ask<Account>('GET', '/account', undefined, again)).body.devices).toEqual([]);
  });

  it.each([
    ['an empty reason', ''],
    ['a reason that is too long', 'x'.repeat(501)],
  ])('changes nothing if the operator gives %s', async (_what, reason) => {
    const { uid, headers } = await gatekeeper.signInLongAgo();
    expect((await ask('GET', '/subscription', undefined, headers)).status).toBe(200);
    const before = await validAfter(uid);
    const account = { userId: await idOf(uid), firebaseUid: uid };
    const signOut = gatekeeper.service.app.get(SignOutService, { strict: false });
    await expect(signOut.everywhere(account, { actor: 'hopper', reason })).rejects.toThrow();
    const { status } = await ask('GET', '/subscription', undefined, headers);
    expect([await validAfter(uid), status]).toEqual([before, 200]);
    expect(await job(`sign-out:${account.userId}`)).toEqual([]);
  });
});
