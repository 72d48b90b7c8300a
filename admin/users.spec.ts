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

describe('a person', () => {
  it('is shown and exported by their address', async () => {
    const person = await gatekeeper.signInWithTrial();
    expect(JSON.parse(await run('users', 'show', person.email, '--json'))).toMatchObject({
      uid: person.uid,
      email: person.email,
      access: 'TRIAL',
    });
    const exported = JSON.parse(await run('users', 'export', person.email, ...why)) as {
      tables: Record<string, unknown[]>;
    };
    expect(exported.tables.User).toMatchObject([{ firebase_uid: person.uid }]);
    expect(exported.tables.TrialGrant).toHaveLength(2);
    expect(exported.tables.AuditEvent).toMatchObject([{ actor: 'operator', action: 'account.export' }]);
    gatekeeper.firebase.delete(person.uid);
    const left = JSON.parse(await run('users', 'export', person.uid, ...why)) as Record<string, unknown>;
    expect(left).toMatchObject({ identityProvider: null, tables: { User: [{ firebase_uid: person.uid }] } });
    expect(await run('users', 'show', 'nobody@example.com')).toContain('nobody@example.com');
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
  ])('may have a name that begins with a dash: %s %s', async (group, command, ...options) => {
    for (const name of ['-h-nobody', '--nobody']) {
      expect(await run(group, command, name, ...options)).toContain(name);
    }
  });

  it.each([
    ['an empty reason', ['--reason', ' ', '--by', 'hopper']],
    ['a reason that the audit cannot hold', ['--reason', 'x'.repeat(501), '--by', 'hopper']],
    ['a reason that names somebody', ['--reason', 'asked by ada@example.com', '--by', 'hopper']],
    ['the name that the person has there', ['--reason', 'asked', '--by', 'self']],
  ])('is left alone by an operator who gives %s', async (_what, given) => {
    const person = await gatekeeper.signInWithTrial();
    for (const act of [['export'], ['signout'], ['delete', '--yes']] as const) {
      expect(await run('users', act[0], person.email, ...act.slice(1), ...given)).toMatch(/^--(by|reason): expected /);
    }
    expect((await gatekeeper.get('/account', person.headers)).status).toBe(200);
    const audit = (await (await gatekeeper.get('/account/audit', person.headers)).json()) as { acts: unknown[] };
    expect(audit.acts).toEqual([]);
  });

  it('is signed out everywhere, and reads who did it and why', async () => {
    // Firebase counts in seconds: a sign-in of this very second would outlive it.
    const at = new Date(gatekeeper.clock.now().getTime() - 60_000);
    const account = { email: `${randomUUID()}@example.com`, emailVerified: true, createdAt: at };
    const { uid } = gatekeeper.firebase.createAccount(account);
    const claims = { auth_time: Math.floor(at.getTime() / 1000) };
    const token = await gatekeeper.firebase.mintIdToken(uid, { claims });
    const person = { uid, email: account.email, headers: { authorization: `Bearer ${token}` } };
    expect((await gatekeeper.get('/account', person.headers)).status).toBe(200);
    expect(await run('users', 'signout', person.email, ...why)).toBe('Signed out everywhere.');
    await expect
      .poll(async () => (await gatekeeper.get('/account', person.headers)).status, { timeout: 15_000 })
      .toBe(401);
    // The command goes by the machine's clock.
    gatekeeper.clock.set(new Date(Date.now() + 2_000));
    const headers = await gatekeeper.signInAgain(person.uid);
    await expect(gatekeeper.get('/account/audit', headers).then((answer) => answer.json())).resolves.toMatchObject({
      acts: [{ by: 'operator', action: 'account.sign_out_everywhere', reason: 'asked by mail' }],
    });
  });

  it('is deleted, wholly', async () => {
    const person = await gatekeeper.signInWithTrial();
    expect(await run('users', 'delete', person.email, '--yes', ...why)).toBe('The account is being deleted.');
    await expect.poll(() => rowsOf(person), { timeout: 15_000 }).toEqual([]);
    expect(gatekeeper.firebase.exists(person.uid)).toBe(false);
  });
});

describe('maintenance', () => {
  const announce = (...args: string[]) => run('notify', 'maintenance', '--text', 'We move.', ...why, ...args);

  it('is announced to everybody once', async () => {
    await gatekeeper.signInWithTrial();
    const when = ['--from', '2035-01-01T02:00:00Z', '--to', '2035-01-01T05:00:00+02:00'];
    expect(await announce(...when)).toMatch(/^Announced to [1-9]\d*\./);
    expect(await announce(...when)).toBe('Everybody was told already.');
    const audit = `SELECT actor, user_id FROM identity."AuditEvent" WHERE action = 'notify.maintenance'`;
    expect(await query(gatekeeper.stack.ownerUrl, audit)).toEqual([
      { actor: 'hopper', user_id: null },
      { actor: 'hopper', user_id: null },
    ]);
  });

  it('says what was expected', async () => {
    expect(await announce('--from', '2035-01-02T00:00:00Z', '--to', '2035-01-01T00:00:00Z')).toContain('--from');
  });
});
