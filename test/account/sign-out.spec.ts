import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { gatekeeperEnv, startTestApp } from '../support/app.js';
import { type SignedIn, startGatekeeper, type TestGatekeeper } from '../support/gatekeeper.js';
import { query } from '../support/stack.js';
import { FirebaseClient, SignOutService } from '../../src/auth/index.js';
import { type Account, type AuditTrail } from '../../src/account/account.schema.js';

let gatekeeper: TestGatekeeper;
let person: SignedIn;

beforeAll(async () => {
  gatekeeper = await startGatekeeper();
});
afterAll(() => gatekeeper.stop());
beforeEach(async () => {
  // Firebase dates sign-ins by the machine's clock.
  gatekeeper.clock.set(new Date());
  person = await gatekeeper.signIn();
  expect((await ask('GET', '/subscription')).status).toBe(200);
});

const sql = <Row extends Record<string, unknown>>(text: string, values?: unknown[]) =>
  query<Row>(gatekeeper.stack.ownerUrl, text, values);

async function ask<T>(method: string, path: string, body?: unknown, headers = person.headers) {
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

describe('signing out everywhere', () => {
  it('ends every sign-in at once, on every replica, and is written down', async () => {
    const replica = await startTestApp(
      { SERVICE_ROLE: 'gatekeeper', ...gatekeeperEnv(gatekeeper.stack, gatekeeper.firebase) },
      gatekeeper.clock,
    );
    const { uid, headers } = await gatekeeper.signInLongAgo();
    const there = async () => (await fetch(`${replica.url}/subscription`, { headers })).status;
    expect([await there(), (await ask('GET', '/subscription', undefined, headers)).status]).toEqual([200, 200]);
    expect((await ask('POST', '/auth/signout-everywhere', undefined, headers)).status).toBe(204);
    expect((await ask('GET', '/subscription', undefined, headers)).status).toBe(401);
    await expect.poll(there).toBe(401);
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
    (await gatekeeper.service.app.get(FirebaseClient, { strict: false }).lookUp(uid))?.tokensValidAfter.getTime() ?? 0;
  /** Lets the job begin now that waits for a request that was killed. */
  const worked = async (uid: string) => {
    const key = `sign-out:${await idOf(uid)}`;
    await sql('UPDATE identity_jobs._private_jobs SET run_at = now() WHERE key = $1', [key]);
    await expect.poll(() => job(key)).toEqual([]);
  };

  it('holds here while the provider is down, and there when it is back', async () => {
    const { uid, headers } = await gatekeeper.signInLongAgo();
    expect((await ask('GET', '/subscription', undefined, headers)).status).toBe(200);
    const before = await validAfter(uid);
    gatekeeper.firebase.goDown();
    const { status } = await ask('POST', '/auth/signout-everywhere', undefined, headers);
    gatekeeper.firebase.comeBack();
    expect([status, await validAfter(uid)]).toEqual([204, before]);
    expect((await ask('GET', '/subscription', undefined, headers)).body.code).toBe('invalid_id_token');
    await worked(uid);
    expect(await validAfter(uid)).toBeGreaterThan(before);
    gatekeeper.clock.advance(60_000);
    gatekeeper.clock.advance(1_000);
    const again = await gatekeeper.signInAgain(uid);
    const { body } = await ask<AuditTrail>('GET', '/account/audit', undefined, again);
    expect(body.acts.map(({ action }) => action)).toEqual(['account.sign_out_everywhere']);
  });

  it('is not done over by its job: that would end the sign-ins that came after', async () => {
    await ask('POST', '/auth/signout-everywhere');
    gatekeeper.clock.advance(3_600_000);
    gatekeeper.firebase.revoke(person.uid);
    const later = await validAfter(person.uid);
    await worked(person.uid);
    expect(await validAfter(person.uid)).toBe(later);
  });

  it('forgets the devices that pushes went to, after one last push', async () => {
    const token = `token-of-a-device-${randomUUID()}`;
    expect((await ask('POST', '/account/devices', { platform: 'ios', token })).status).toBe(201);
    expect((await ask('POST', '/auth/signout-everywhere')).status).toBe(204);
    expect(await sql('SELECT 1 FROM identity."PushDevice" WHERE token = $1', [token])).toEqual([]);
    const pushes = () => gatekeeper.firebase.pushes.filter((push) => push.token === token);
    await expect.poll(() => pushes().length).toBe(1);
    expect(pushes()).toMatchObject([{ data: { kind: 'signed_out_everywhere' } }]);
    const carried = 'SELECT 1 FROM identity."NotificationDelivery" WHERE address = $1';
    await expect.poll(() => sql(carried, [token])).toEqual([]);
    gatekeeper.clock.advance(2_000);
    const again = await gatekeeper.signInAgain(person.uid);
    expect((await ask<Account>('GET', '/account', undefined, again)).body.devices).toEqual([]);
  });

  it.each([
    ['an empty reason', ''],
    ['a reason that cannot be written down', 'x'.repeat(501)],
  ])('does nothing at all for %s', async (_what, reason) => {
    const { uid, headers } = await gatekeeper.signInLongAgo();
    expect((await ask('GET', '/subscription', undefined, headers)).status).toBe(200);
    const before = await validAfter(uid);
    const of = { userId: await idOf(uid), firebaseUid: uid };
    const signOut = gatekeeper.service.app.get(SignOutService, { strict: false });
    await expect(signOut.everywhere(of, { actor: 'hopper', reason })).rejects.toThrow();
    const { status } = await ask('GET', '/subscription', undefined, headers);
    expect([await validAfter(uid), status]).toEqual([before, 200]);
    expect(await job(`sign-out:${of.userId}`)).toEqual([]);
  });
});
