import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { anonymizerEnv, gatekeeperEnv, publicSettings } from '../test/support/app.js';
import { operate as run } from '../test/support/operator.js';
import { createTestStack, query, type TestStack } from '../test/support/stack.js';

let stack: TestStack;

beforeAll(async () => {
  stack = await createTestStack();
  configure({ ...gatekeeperEnv(stack), ...anonymizerEnv(stack) });
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await stack.stop();
});

function configure(env: Readonly<Record<string, string | undefined>>): void {
  vi.unstubAllEnvs();
  for (const [key, value] of Object.entries({ ...publicSettings, ...env })) vi.stubEnv(key, value);
}

async function json<T>(...args: string[]): Promise<T> {
  const printed = await run(...args, '--json');
  expect(printed, 'JSON instead of an error').toMatch(/^[[{]/);
  return JSON.parse(printed) as T;
}

const frankfurt = ['--country', 'DE', '--city', 'Frankfurt', '--latitude', '50.11', '--longitude', '8.68'];

describe('admin locations', () => {
  it('adds, lists, disables and enables a location', async () => {
    expect(await run('locations', 'list')).toBe('No locations yet.');
    expect(await run('locations', 'add', 'de-frankfurt', ...frankfurt)).toContain('enrolment create de-frankfurt');
    expect(await json('locations', 'disable', 'de-frankfurt')).toEqual({ id: 'de-frankfurt', enabled: false });
    expect(await json('locations', 'list')).toMatchObject([{ id: 'de-frankfurt', city: 'Frankfurt', enabled: false }]);
    await run('locations', 'enable', 'de-frankfurt');
    expect(await run('locations', 'list')).toMatch(/de-frankfurt +DE +Frankfurt +50.11 +8.68 +yes/);
  });

  it('explains what was expected', async () => {
    expect(await run('locations', 'add', 'de-frankfurt', ...frankfurt)).toContain(
      'The location de-frankfurt exists already',
    );
    expect(await run('locations', 'add', 'NOT A SLUG', ...frankfurt)).toMatch(/^id: expected/);
    expect(await run('locations', 'disable', 'nowhere')).toContain('location');
  });
});

describe('admin enrolment', () => {
  it('creates a token, lists it without showing it, and revokes it', async () => {
    const created = await json<{ id: string; token: string }>('enrolment', 'create', 'de-frankfurt', '--uses', '2');
    expect(created.token).toMatch(/^[\w-]{43}$/);
    const listed = await json<object[]>('enrolment', 'list');
    expect(listed).toMatchObject([{ id: created.id, locationId: 'de-frankfurt', usesLeft: 2 }]);
    expect(JSON.stringify(listed)).not.toContain(created.token);
    await run('enrolment', 'revoke', created.id);
    expect(await run('enrolment', 'list')).toBe('No enrolment tokens.');
    expect(await run('enrolment', 'revoke', created.id)).toContain('No enrolment token has the id');
  });
});

describe('admin nodes', () => {
  it('lists, drains, resumes and retires a node', async () => {
    const [node] = await query<{ id: string }>(
      stack.ownerUrl,
      `INSERT INTO network."Node" (location_id, public_key, ip, port, capacity, status, last_pulse_at, credential_hash,
                                   enrolled_with, enrolled_at)
       VALUES ('de-frankfurt', $1, '203.0.113.7', 51820, 1000, 'healthy', now(), $1, $1, now()) RETURNING id`,
      [Buffer.alloc(32, 7)],
    );
    const id = node?.id ?? '';
    expect(await json('nodes', 'list')).toMatchObject([{ id, status: 'healthy' }]);
    expect(await json('nodes', 'drain', id)).toEqual({ id, status: 'draining' });
    expect(await json('nodes', 'resume', id)).toEqual({ id, status: 'unhealthy' });
    expect(await run('nodes', 'resume', id)).toContain('is not draining');
    expect(await json('nodes', 'retire', id)).toEqual({ id, status: 'retired' });
    expect(await run('nodes', 'drain', id)).toContain('retired');
    expect(await run('nodes', 'retire', '00000000-0000-4000-8000-000000000000')).toContain('No node has this id');
  });
});

describe('admin keys', () => {
  // The command uses the machine's clock. Without a fixed time, a new day with other keys could begin between two commands.
  beforeEach(() => void vi.setSystemTime(new Date()));
  afterEach(() => void vi.useRealTimers());

  it('creates keys with rotate, lists them, and retires one on both sides', async () => {
    interface Key {
      readonly keyId: string;
      readonly state: string;
    }
    const keys = await json<Key[]>('keys', 'rotate');
    expect(keys.map(({ state }) => state).sort()).toEqual(['next', 'signs']);
    const signing = keys.find(({ state }) => state === 'signs')?.keyId ?? '';
    const retired = await json<{ signingEnded: boolean }>('keys', 'retire', signing);
    expect(retired.signingEnded).toBe(true);
    const states = new Map((await json<Key[]>('keys', 'list')).map(({ keyId, state }) => [keyId, state]));
    expect(states.get(signing)).toBe('retired');
    expect([...states.values()].sort()).toEqual(['next', 'retired', 'signs']);
  });

  it('refuses invalid and unknown key ids', async () => {
    expect(await run('keys', 'retire', 'abc')).toContain('32 bytes');
    expect(await run('keys', 'retire', 'A'.repeat(43))).toContain('No live key');
    expect(await run('keys', 'retire', `-h${'A'.repeat(41)}`, '--json')).toContain('No live key');
    expect(await run('keys', 'retire', `--${'A'.repeat(41)}`)).toContain('No live key');
  });
});

describe('admin plans', () => {
  it('sets and lists plans', async () => {
    const plan = ['plans', 'set', 'family', '--name', 'Family', '--daily-tokens', '64'];
    expect(await json(...plan)).toEqual({ id: 'family', name: 'Family', dailyTokens: 64 });
    expect(await json('plans', 'list')).toContainEqual({ id: 'family', name: 'Family', dailyTokens: 64 });
    expect(await run('plans', 'set', 'family', '--name', 'Family', '--daily-tokens', '-1')).toContain('dailyTokens');
  });
});

describe('admin plans price and withdraw', () => {
  it('sets, replaces and withdraws a price of the App Store', async () => {
    const set = (product: string) => json('plans', 'price', 'family', '--apple', product, '--interval', 'month');
    await set('vpn.family.old');
    expect(await set('vpn.family')).toMatchObject({ planId: 'family', priceRef: 'vpn.family', offered: true });
    expect(await json('plans', 'prices')).toMatchObject([
      { plan: 'family', price: 'vpn.family', offered: true },
      { plan: 'family', price: 'vpn.family.old', offered: false },
    ]);
    expect(await run('plans', 'withdraw', '--apple', 'vpn.family')).toContain('no longer');
    expect(await run('plans', 'withdraw', '--apple', 'vpn.family')).toContain('is not offered');
  });

  it('explains what was expected', async () => {
    expect(await run('plans', 'price', 'family')).toContain('Expected --stripe');
    expect(await run('plans', 'price', 'nothing', '--apple', 'x', '--interval', 'month')).toContain(
      'No plan has the id',
    );
    expect(await run('plans', 'price', 'family', '--stripe', 'price_1')).toContain(
      'does not accept payments through Stripe',
    );
  });
});

describe('admin subscriptions', () => {
  const why = ['--reason', 'a friend of the house', '--by', 'ada'];

  it('shows, grants and revokes access, and records the operator and the reason', async () => {
    await query(
      stack.ownerUrl,
      `INSERT INTO identity."User" (firebase_uid, email, created_on) VALUES ('uid-1', 'ada@example.com', now())`,
    );
    expect(await json('subscriptions', 'grant', 'uid-1', '--plan', 'family', '--days', '30', ...why)).toMatchObject({
      plan: 'family',
    });
    expect(await json('subscriptions', 'show', 'Ada@example.com')).toMatchObject({
      active: true,
      sources: [{ provider: 'operator', state: 'ACTIVE', plan: 'family' }],
      audit: [{ actor: 'ada', action: 'subscription.grant', reason: 'a friend of the house' }],
    });
    expect(await json('subscriptions', 'revoke', 'uid-1', ...why)).toEqual({ revoked: 1 });
    expect(await json('subscriptions', 'revoke', 'uid-1', ...why)).toEqual({ revoked: 0 });
    expect(await json('subscriptions', 'show', 'uid-1')).toMatchObject({
      active: false,
      state: 'REVOKED',
      audit: [{ action: 'subscription.revoke' }, { action: 'subscription.grant' }],
    });
  });

  it('blocks access until the block is lifted', async () => {
    await run('subscriptions', 'grant', 'uid-1', '--plan', 'family', '--days', '1', ...why);
    await run('subscriptions', 'block', 'uid-1', ...why);
    expect(await json('subscriptions', 'show', 'uid-1')).toMatchObject({ active: false, reason: 'blocked_abuse' });
    expect(await json('subscriptions', 'unblock', 'uid-1', ...why)).toEqual({ lifted: 1 });
    expect(await json('subscriptions', 'show', 'uid-1')).toMatchObject({ active: true });
  });

  it('explains what was expected', async () => {
    expect(await run('subscriptions', 'show', 'unknown')).toContain('No account');
    expect(await run('subscriptions', 'grant', 'uid-1', '--plan', 'nothing', '--days', '1', ...why)).toContain(
      'No plan',
    );
    expect(await run('subscriptions', 'grant', 'uid-1', '--plan', 'family', '--days', '0', ...why)).toContain('days');
    expect(await run('subscriptions', 'revoke', 'uid-1', '--reason', ' ')).toContain('reason');
  });
});

describe('admin payments', () => {
  it('lists and retries dead-lettered events', async () => {
    await query(
      stack.ownerUrl,
      `INSERT INTO identity."WebhookEvent" (provider, event_id, type, object_ref, occurred_at, received_at, state, reason)
       VALUES ('stripe', 'evt_1', 'invoice.paid', 'cus_1', now(), now(), 'dead_lettered', 'unknown_customer')`,
    );
    expect(await json('payments', 'inbox')).toMatchObject([{ objectRef: 'cus_1', reason: 'unknown_customer' }]);
    expect(await json('payments', 'retry', 'cus_2')).toEqual({ retried: 0 });
    expect(await json('payments', 'retry')).toEqual({ retried: 1 });
    expect(await run('payments', 'inbox')).toBe('No dead-lettered events.');
    expect(await json('payments', 'inbox', '--state', 'pending')).toMatchObject([{ objectRef: 'cus_1', reason: null }]);
    expect(await query(stack.ownerUrl, `SELECT key FROM identity_jobs.jobs WHERE key LIKE 'stripe:%'`)).toEqual([
      { key: 'stripe:cus_1' },
    ]);
  });

  it('reconciles with the configured providers', async () => {
    expect(await json('payments', 'reconcile')).toEqual({ stripe: 0, apple: 0 });
  });
});

describe('admin stats', () => {
  it('shows the totals of closed days, without small counts', async () => {
    await query(
      stack.ownerUrl,
      `INSERT INTO network."DailyUsage" VALUES (now()::date - 1, 'de-frankfurt', '<20', '140');
       INSERT INTO identity."DailyIssuance" (key_id, plan_id, epoch, tokens)
         VALUES (decode(repeat('ab', 32), 'hex'), 'standard', now()::date - 1, '260')`,
    );
    expect(await json('stats')).toMatchObject({
      issuance: [{ plan: 'standard', tokens: '260' }],
      usage: [{ location: 'de-frankfurt', redemptions: '<20', peak: '140' }],
    });
  });
});

describe('admin on a machine with one side', () => {
  it('names the machine where a command of the other side can run', async () => {
    configure({ SERVICE_ROLE: 'gatekeeper', ...gatekeeperEnv(stack) });
    expect(await run('nodes', 'list')).toContain('where SERVICE_ROLE is anonymizer or all');
    expect(await run('plans', 'list')).toContain('family');
  });
});
