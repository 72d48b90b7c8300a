import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { gatekeeperEnv, publicSettings } from '../test/support/app.js';
import { type SignedIn, startGatekeeper, type TestGatekeeper } from '../test/support/gatekeeper.js';
import { operate as run } from '../test/support/operator.js';
import { query } from '../test/support/stack.js';

let gatekeeper: TestGatekeeper;

beforeAll(async () => {
  gatekeeper = await startGatekeeper();
  const env = {
    ...publicSettings,
    SERVICE_ROLE: 'gatekeeper',
    ...gatekeeperEnv(gatekeeper.stack, gatekeeper.firebase),
  };
  for (const [key, value] of Object.entries(env)) vi.stubEnv(key, value);
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await gatekeeper.stop();
});

const why = ['--reason', 'asked by mail', '--by', 'hopper'];
const rowsOf = ({ uid }: SignedIn) =>
  query(gatekeeper.stack.ownerUrl, 'SELECT 1 FROM identity."User" WHERE firebase_uid = $1', [uid]);

describe('admin users', () => {
  it('shows and exports a user by e-mail address', async () => {
    const user = await gatekeeper.signInWithTrial();
    expect(JSON.parse(await run('users', 'show', user.email, '--json'))).toMatchObject({
      uid: user.uid,
      email: user.email,
      access: 'TRIAL',
    });
    const exported = JSON.parse(await run('users', 'export', user.email, ...why)) as {
      tables: Record<string, unknown[]>;
    };
    expect(exported.tables.User).toMatchObject([{ firebase_uid: user.uid }]);
    expect(exported.tables.TrialGrant).toHaveLength(2);
    expect(exported.tables.AuditEvent).toMatchObject([{ actor: 'operator', action: 'account.export' }]);
    gatekeeper.firebase.delete(user.uid);
    const left = JSON.parse(await run('users', 'export', user.uid, ...why)) as Record<string, unknown>;
    expect(left).toMatchObject({ identityProvider: null, tables: { User: [{ firebase_uid: user.uid }] } });
    expect(await run('users', 'show', 'unknown@example.com')).toContain('unknown@example.com');
  });

  it.each([
    ['users', 'show'],
    ['users', 'export', ...why],
    ['users', 'delete', '--yes', ...why],
    ['users', 'signout', ...why],
    ['subscriptions', 'show'],
    ['subscriptions', 'grant', '--plan', 'standard', '--days', '1', ...why],
    ['subscriptions', 'revoke', ...why],
    ['subscriptions', 'block', ...why],
    ['subscriptions', 'unblock', ...why],
  ])('accepts an account that begins with a dash: %s %s', async (group, command, ...options) => {
    for (const name of ['-h-unknown', '--unknown']) {
      expect(await run(group, command, name, ...options)).toContain(name);
    }
  });

  it.each([
    ['an empty reason', ['--reason', ' ', '--by', 'hopper']],
    ['a reason that is too long', ['--reason', 'x'.repeat(501), '--by', 'hopper']],
    ['a reason with an e-mail address', ['--reason', 'asked by ada@example.com', '--by', 'hopper']],
    ['the name that the audit log uses for the user', ['--reason', 'asked', '--by', 'self']],
  ])('does nothing when the operator gives %s', async (_what, options) => {
    const user = await gatekeeper.signInWithTrial();
    for (const action of [['export'], ['signout'], ['delete', '--yes']] as const) {
      const refusal = await run('users', action[0], user.email, ...action.slice(1), ...options);
      expect(refusal).toMatch(/^--(by|reason): expected /);
    }
    expect((await gatekeeper.get('/account', user.headers)).status).toBe(200);
    const audit = (await (await gatekeeper.get('/account/audit', user.headers)).json()) as { acts: unknown[] };
    expect(audit.acts).toEqual([]);
  });

  it('signs out a user everywhere, who can read the operator and the reason', async () => {
    // Firebase stores times in seconds: a sign-in of the same second would stay valid.
    const at = new Date(gatekeeper.clock.now().getTime() - 60_000);
    const account = { email: `${randomUUID()}@example.com`, emailVerified: true, createdAt: at };
    const { uid } = gatekeeper.firebase.createAccount(account);
    const claims = { auth_time: Math.floor(at.getTime() / 1000) };
    const token = await gatekeeper.firebase.mintIdToken(uid, { claims });
    const user = { uid, email: account.email, headers: { authorization: `Bearer ${token}` } };
    expect((await gatekeeper.get('/account', user.headers)).status).toBe(200);
    expect(await run('users', 'signout', user.email, ...why)).toBe('The user is signed out on all devices.');
    await expect
      .poll(async () => (await gatekeeper.get('/account', user.headers)).status, { timeout: 15_000 })
      .toBe(401);
    // The command uses the machine's clock.
    gatekeeper.clock.set(new Date(Date.now() + 2_000));
    const headers = await gatekeeper.signInAgain(user.uid);
    await expect(gatekeeper.get('/account/audit', headers).then((answer) => answer.json())).resolves.toMatchObject({
      acts: [{ by: 'operator', action: 'account.sign_out_everywhere', reason: 'asked by mail' }],
    });
  });

  it('deletes a user with all data', async () => {
    const user = await gatekeeper.signInWithTrial();
    expect(await run('users', 'delete', user.email, '--yes', ...why)).toBe('The account is being deleted.');
    await expect.poll(() => rowsOf(user), { timeout: 15_000 }).toEqual([]);
    expect(gatekeeper.firebase.exists(user.uid)).toBe(false);
  });
});

describe('admin notify maintenance', () => {
  const announce = (...args: string[]) => run('notify', 'maintenance', '--text', 'We move.', ...why, ...args);

  it('announces maintenance to all users once', async () => {
    await gatekeeper.signInWithTrial();
    const when = ['--from', '2035-01-01T02:00:00Z', '--to', '2035-01-01T05:00:00+02:00'];
    expect(await announce(...when)).toMatch(/^Notifying [1-9]\d* users\./);
    expect(await announce(...when)).toBe('All users have been notified already.');
    const audit = `SELECT actor, user_id FROM identity."AuditEvent" WHERE action = 'notify.maintenance'`;
    expect(await query(gatekeeper.stack.ownerUrl, audit)).toEqual([
      { actor: 'hopper', user_id: null },
      { actor: 'hopper', user_id: null },
    ]);
  });

  it('explains what was expected', async () => {
    expect(await announce('--from', '2035-01-02T00:00:00Z', '--to', '2035-01-01T00:00:00Z')).toContain('--from');
  });
});
