import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGatekeeper, type TestGatekeeper } from '../support/gatekeeper.js';
import { patiently } from '../support/patiently.js';
import { query } from '../support/stack.js';
import { PlansService } from '../../src/subscription/index.js';
import { SubscriptionStore } from '../../src/subscription/subscription.store.js';
import { TrialGrants } from '../../src/subscription/trial-grant.js';

let gatekeeper: TestGatekeeper;

beforeAll(async () => {
  gatekeeper = await startGatekeeper();
});

afterAll(() => gatekeeper.stop());

const startTrial = (headers: Record<string, string>) => gatekeeper.post('/subscription/trial', headers);
const report = async (headers: Record<string, string>) => (await gatekeeper.get('/subscription', headers)).json();
const codeOf = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];
const countRows = async (table: string) => {
  const [row] = await query<{ n: number }>(
    gatekeeper.stack.ownerUrl,
    `SELECT count(*)::int AS n FROM identity."${table}"`,
  );
  return row?.n;
};

describe('POST /subscription/trial', () => {
  it('gives access for TRIAL_DAYS, on the plan "standard"', async () => {
    const { headers } = await gatekeeper.signIn();
    const response = await startTrial(headers);
    expect(response.status).toBe(201);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const started = (await response.json()) as { until: string };
    expect(started).toMatchObject({
      active: true,
      state: 'TRIAL',
      reason: 'trial',
      plan: { id: 'standard', dailyTokens: 32 },
      sources: [{ provider: 'trial', state: 'TRIAL', plan: 'standard', cancelAtPeriodEnd: false }],
    });
    const days = (Date.parse(started.until) - gatekeeper.clock.now().getTime()) / 86_400_000;
    expect(days).toBeCloseTo(7, 3);
    expect(await report(headers)).toEqual(started);
  });

  it('grants one trial per user: one of 50 requests at once', { timeout: 60_000 }, async () => {
    const { headers } = await gatekeeper.signIn();
    const [grants, subscriptions] = [await countRows('TrialGrant'), await countRows('Subscription')];
    const responses = await Promise.all(Array.from({ length: 50 }, () => patiently(() => startTrial(headers))));
    const statuses = responses.map(({ status }) => status).sort();
    expect(statuses).toEqual([201, ...Array.from({ length: 49 }, () => 409)]);
    expect([await countRows('TrialGrant'), await countRows('Subscription')]).toEqual([
      (grants ?? 0) + 2,
      (subscriptions ?? 0) + 1,
    ]);
  });

  it('answers 503 without an effect if the database would keep it waiting, and succeeds when it is retried', async () => {
    const { headers } = await gatekeeper.signIn();
    await report(headers);
    const busy = new pg.Client(gatekeeper.stack.ownerUrl);
    await busy.connect();
    await busy.query('BEGIN; LOCK TABLE identity."TrialGrant"');
    const responses: Response[] = [];
    const requests = Array.from({ length: 20 }, async () => responses.push(await startTrial(headers)));
    // Ten wait for the table, on all connections of the pool.
    await expect.poll(() => responses.length, { timeout: 15_000 }).toBeGreaterThanOrEqual(10);
    const refused = responses.splice(0);
    for (const response of refused) {
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    }
    await busy.query('COMMIT');
    await busy.end();
    await Promise.all(requests);
    responses.push(...(await Promise.all(refused.map(() => patiently(() => startTrial(headers))))));
    const statuses = responses.map(({ status }) => status).sort();
    expect(statuses).toEqual([201, ...Array.from({ length: 19 }, () => 409)]);
  });

  it('grants one trial per mailbox when accounts with spellings of it race, and writes nothing for the others', async () => {
    const name = `race${Math.floor(Math.random() * 1e9)}`;
    const spellings = Array.from({ length: 20 }, (_, n) => `${name}+${n}@example.com`);
    const users = await Promise.all(spellings.map((email) => gatekeeper.signIn({ email })));
    const grants = await countRows('TrialGrant');
    const responses = await Promise.all(users.map(({ headers }) => patiently(() => startTrial(headers))));
    expect(responses.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(responses.filter(({ status }) => status === 409)).toHaveLength(19);
    expect(await countRows('TrialGrant')).toBe((grants ?? 0) + 2);
  });

  it('inserts the hashes in order, so that racing requests cannot deadlock', async () => {
    const { ownerUrl } = gatekeeper.stack;
    const hashFrom = (first: number) => Buffer.concat([Buffer.of(first), randomBytes(31)]);
    const [low, high] = [hashFrom(0), hashFrom(255)];
    const { uid, headers } = await gatekeeper.signIn();
    await report(headers);
    const [user] = await query<{ id: string }>(ownerUrl, 'SELECT id FROM identity."User" WHERE firebase_uid = $1', [
      uid,
    ]);
    const other = new pg.Client({ connectionString: ownerUrl });
    await other.connect();
    const insertHash = (hash: Buffer) =>
      other.query('INSERT INTO identity."TrialGrant" (hash, granted_on) VALUES ($1, now())', [hash]);
    try {
      await other.query('BEGIN');
      await insertHash(low);
      const at = gatekeeper.clock.now();
      const trial = { userId: user?.id ?? '', planId: 'standard', grantedOn: at, paidThrough: at };
      const granted = gatekeeper.service.app
        .get(SubscriptionStore, { strict: false })
        .grantTrial({ ...trial, hashes: [high, low] });
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
      await expect.poll(() => query(ownerUrl, waiting)).not.toEqual([]);
      await insertHash(high);
      await other.query('COMMIT');
      expect(await granted).toBe(false);
    } finally {
      await other.end();
    }
  });

  it('refuses a second trial after the account was deleted and created again with the same address', async () => {
    const first = await gatekeeper.signInWithTrial();
    gatekeeper.firebase.delete(first.uid);
    await query(gatekeeper.stack.ownerUrl, `DELETE FROM identity."User" WHERE firebase_uid = $1`, [first.uid]);
    const second = await gatekeeper.signIn({ email: first.email.toUpperCase() });
    expect(await codeOf(await startTrial(second.headers))).toEqual([409, 'trial_already_used']);
  });

  it('refuses a second trial of an account, although its address is new', async () => {
    const { uid, email, headers } = await gatekeeper.signInWithTrial();
    const { gatekeeper: side } = gatekeeper.service.config;
    const [, address] = new TrialGrants(side?.secretKey ?? Buffer.alloc(0)).hashesOf(uid, email);
    const { ownerUrl } = gatekeeper.stack;
    await query(ownerUrl, `DELETE FROM identity."Subscription" WHERE provider_ref LIKE 'trial:%'`);
    expect(
      await query(ownerUrl, `DELETE FROM identity."TrialGrant" WHERE hash = $1 RETURNING 1`, [address]),
    ).toHaveLength(1);
    expect(await codeOf(await startTrial(headers))).toEqual([409, 'trial_already_used']);
  });

  it('refuses an address that is not verified, and writes no grant', async () => {
    const { headers } = await gatekeeper.signIn({ emailVerified: false });
    const grants = await countRows('TrialGrant');
    expect(await codeOf(await startTrial(headers))).toEqual([403, 'email_not_verified']);
    expect(await countRows('TrialGrant')).toBe(grants);
  });

  it('asks the identity provider now, and trusts neither the token nor a cached answer', async () => {
    const { uid, headers } = await gatekeeper.signIn();
    await report(headers);
    gatekeeper.firebase.disable(uid);
    expect((await gatekeeper.get('/subscription', headers)).status).toBe(200);
    expect(await codeOf(await startTrial(headers))).toEqual([401, 'invalid_id_token']);
  });

  it('answers 503 while the identity provider is down, even with a cached answer, and succeeds afterwards', async () => {
    const { headers } = await gatekeeper.signIn();
    await report(headers);
    gatekeeper.firebase.goDown();
    try {
      expect(await codeOf(await startTrial(headers))).toEqual([503, 'identity_provider_unavailable']);
    } finally {
      gatekeeper.firebase.comeBack();
    }
    expect((await startTrial(headers)).status).toBe(201);
  });

  it('stores neither the account nor the address in the clear', async () => {
    const { uid, email } = await gatekeeper.signInWithTrial();
    const rows = await query(gatekeeper.stack.ownerUrl, `SELECT t::text AS row FROM identity."TrialGrant" t`);
    const text = JSON.stringify(rows);
    expect(text).not.toContain(Buffer.from(uid).toString('hex'));
    expect(text).not.toContain(Buffer.from(email).toString('hex'));
  });
});

describe('POST /subscription/trial with TRIAL_DAYS=0', () => {
  it('answers that no trial is offered', async () => {
    const without = await startGatekeeper({ TRIAL_DAYS: '0' });
    try {
      const { headers } = await without.signIn();
      expect(await codeOf(await without.post('/subscription/trial', headers))).toEqual([403, 'trial_not_offered']);
    } finally {
      await without.stop();
    }
  });
});

describe('GET /subscription', () => {
  it('reports that the user has no subscription', async () => {
    const { headers } = await gatekeeper.signIn();
    expect(await report(headers)).toEqual({
      active: false,
      state: 'NONE',
      reason: 'no_subscription',
      until: null,
      plan: null,
      next: { action: 'subscribe', provider: null },
      sources: [],
    });
  });

  it('reports why a blocked user has no access, until the block is lifted', async () => {
    const { uid, headers } = await gatekeeper.signInWithTrial();
    const change = (sql: string) => query(gatekeeper.stack.ownerUrl, sql, [uid]);
    await change(
      `INSERT INTO identity."AccessBlock" (user_id, reason) SELECT id, 'abuse' FROM identity."User" WHERE firebase_uid = $1`,
    );
    expect(await report(headers)).toMatchObject({
      active: false,
      state: 'REVOKED',
      reason: 'blocked_abuse',
      plan: null,
    });
    await change(
      `UPDATE identity."AccessBlock" SET lifted_on = '2026-01-01' WHERE user_id = (SELECT id FROM identity."User" WHERE firebase_uid = $1)`,
    );
    expect(await report(headers)).toMatchObject({ active: true, state: 'TRIAL' });
  });

  it('requires a signed-in user', async () => {
    expect((await gatekeeper.get('/subscription')).status).toBe(401);
    expect((await gatekeeper.post('/subscription/trial')).status).toBe(401);
  });
});

describe('PlansService', () => {
  const plans = () => gatekeeper.service.app.get(PlansService, { strict: false });

  it('has the plan "standard" in a new service', async () => {
    expect(await plans().list()).toContainEqual({ id: 'standard', name: 'Standard', dailyTokens: 32 });
  });

  it('changes a plan at once for all its users', async () => {
    const { headers } = await gatekeeper.signInWithTrial();
    await plans().set({ id: 'standard', name: 'Standard', dailyTokens: 5 });
    expect(await report(headers)).toMatchObject({ plan: { dailyTokens: 5 } });
    await plans().set({ id: 'standard', name: 'Standard', dailyTokens: 32 });
  });

  it.each([
    { id: 'Not A Slug', name: 'x', dailyTokens: 1 },
    { id: 'x', name: '', dailyTokens: 1 },
    { id: 'x', name: 'x', dailyTokens: -1 },
    { id: 'x', name: 'x', dailyTokens: 1001 },
    { id: 'x', name: 'x', dailyTokens: 1.5 },
  ])('refuses the plan %o', async (plan) => {
    await expect(plans().set(plan)).rejects.toThrow();
  });
});
