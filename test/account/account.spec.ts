import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readColumns } from '../support/database-catalog.js';
import { type SignedIn, startGatekeeper, type TestGatekeeper } from '../support/gatekeeper.js';
import { query } from '../support/stack.js';
import { IssuerKeysService } from '../../src/crypto/issuer/index.js';
import { OperatorAccessService, TrialsService } from '../../src/subscription/index.js';
import {
  type Account,
  type AccountExport,
  type AccountHistory,
  type AuditTrail,
} from '../../src/account/account.schema.js';

let gatekeeper: TestGatekeeper;
let user: SignedIn;

beforeAll(async () => {
  gatekeeper = await startGatekeeper();
});
afterAll(() => gatekeeper.stop());
beforeEach(async () => {
  // Firebase dates sign-ins by the machine's clock.
  gatekeeper.clock.set(new Date());
  user = await gatekeeper.signInWithTrial();
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
  return {
    status: response.status,
    body: (text === '' ? {} : JSON.parse(text)) as T & { code?: string; detail?: string },
  };
}

async function userId({ uid }: SignedIn): Promise<string> {
  const [row] = await sql<{ id: string }>('SELECT id FROM identity."User" WHERE firebase_uid = $1', [uid]);
  return row?.id ?? '';
}

describe('GET and PATCH /account', () => {
  it('shows the user, the sign-in methods and the remaining tokens', async () => {
    gatekeeper.firebase.link(user.uid, 'google.com');
    gatekeeper.clock.advance(60_000);
    const { status, body } = await ask<Account>('GET', '/account');
    gatekeeper.clock.advance(-60_000);
    expect([status, body]).toEqual([
      200,
      {
        email: user.email,
        emailVerified: true,
        createdOn: gatekeeper.clock.now().toISOString().slice(0, 10),
        signInProviders: ['google.com', 'password'],
        devices: [],
        tokens: { dailyTokens: 32, used: 0, left: 32, resetsAt: expect.stringMatching(/T00:00:00.000Z$/) as string },
      },
    ]);
  });

  it('counts the tokens that were signed today', async () => {
    const { keyId } = gatekeeper.service.app.get(IssuerKeysService, { strict: false }).signingKey();
    await sql(
      `INSERT INTO identity."TokenIssuance" (user_id, key_id, plan_id, hashes) VALUES ($1, $2, 'standard', ARRAY['a'::bytea, 'b'])`,
      [await userId(user), keyId],
    );
    expect((await ask<Account>('GET', '/account')).body.tokens).toMatchObject({ dailyTokens: 32, used: 2, left: 30 });
  });

  it.each([
    ['an address with a line break', 'ada@example.com\r\nBcc: eve@example.com'],
    ['a list', 'ada@example.com, eve@example.com'],
    ['a list without spaces', 'ada@example.com,eve@example.com'],
    ['a name and an address', 'Ada <ada@example.com>'],
    ['10 kB before the @', `${'a'.repeat(10_000)}@example.com`],
    ['300 characters', `ada@${'example.'.repeat(40)}com`],
  ])('refuses %s as an address', async (_what, email) => {
    const { status, body } = await ask('PATCH', '/account', { email });
    expect([status, body.code, body.detail]).toEqual([400, 'invalid_request', expect.stringContaining('email')]);
  });
});

describe('devices', () => {
  const register = (token: string, headers = user.headers) =>
    ask<{ id: string }>('POST', '/account/devices', { platform: 'ios', token }, headers);
  const devices = async () => (await ask<Account>('GET', '/account')).body.devices;

  it('are registered once per token, and belong to the user who registered them last', async () => {
    const token = `token-of-a-device-${randomUUID()}`;
    const [first, ...others] = await Promise.all(Array.from({ length: 5 }, () => register(token)));
    expect(others.map(({ body }) => body.id)).toEqual(others.map(() => first?.body.id));
    expect(await devices()).toEqual([
      { id: first?.body.id, platform: 'ios', registeredOn: expect.any(String) as string },
    ]);
    const other = await gatekeeper.signIn();
    expect((await register(token, other.headers)).body.id).toBe(first?.body.id);
    expect(await devices()).toEqual([]);
  });

  it('are at most twenty', async () => {
    for (let n = 0; n < 23; n += 1) await register(`token-of-device-${n}-${randomUUID()}`);
    expect(await devices()).toHaveLength(20);
  });

  it('can be removed only by their owner', async () => {
    const { body } = await register(`token-of-a-device-${randomUUID()}`);
    const other = await gatekeeper.signIn();
    expect((await ask('DELETE', `/account/devices/${body.id}`, undefined, other.headers)).status).toBe(404);
    expect((await ask('DELETE', `/account/devices/${body.id}`)).status).toBe(204);
    expect(await devices()).toEqual([]);
    expect((await ask('DELETE', `/account/devices/${body.id}`)).body.code).toBe('device_not_found');
  });
});

describe('GET /account/history', () => {
  it('describes events in plain words, newest first, and each one on exactly one page', async () => {
    const id = await userId(user);
    await sql(
      `INSERT INTO identity."PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
       SELECT $1::text::uuid, 'stripe', 'stripe:' || $1 || n, 'charge', 499, 'eur', timestamptz '2030-01-01' + (n / 3) * interval '1 day'
       FROM generate_series(1, 10) n`,
      [id],
    );
    const whole = (await ask<AccountHistory>('GET', '/account/history')).body;
    // The ten payments, and the start of the trial.
    expect([whole.events.length, whole.next]).toEqual([11, null]);
    expect(whole.events.at(-1)).toMatchObject({
      kind: 'started',
      amount: null,
      text: expect.stringMatching(/^Your trial of Standard started/) as string,
    });
    expect(whole.events[0]).toEqual({
      at: '2030-01-04T00:00:00.000Z',
      kind: 'charge',
      text: 'You paid €4.99 through Stripe.',
      amount: 499,
      currency: 'eur',
    });
    const pages: AccountHistory['events'][number][] = [];
    for (let cursor = ''; ;) {
      const { body } = await ask<AccountHistory>('GET', `/account/history?limit=3${cursor}`);
      pages.push(...body.events);
      if (body.next === null) break;
      cursor = `&cursor=${body.next}`;
    }
    expect(pages).toEqual(whole.events);
  });

  it('refuses an invalid cursor', async () => {
    expect(await ask('GET', '/account/history?cursor=abc')).toMatchObject({
      status: 400,
      body: { code: 'invalid_request' },
    });
  });
});

describe('DELETE /account', () => {
  it('erases the user here and at Firebase, and refuses the token from then on', async () => {
    const id = await userId(user);
    expect(await ask('DELETE', '/account')).toMatchObject({ status: 202, body: { stillBilledBy: [] } });
    expect((await ask('GET', '/account')).status).toBe(401);
    await expect.poll(() => userId(user)).toBe('');
    expect(gatekeeper.firebase.exists(user.uid)).toBe(false);
    expect((await ask('GET', '/account')).status).toBe(401);
    expect(await userId(user)).toBe('');
    expect(await sql('SELECT 1 FROM identity."Subscription" WHERE user_id = $1', [id])).toEqual([]);
    const audit = `SELECT action FROM identity."AuditEvent" WHERE user_id IS NULL AND action = 'account.delete'`;
    expect(await sql(audit)).toHaveLength(1);
  });

  it('checks the sign-in at the provider, and deletes nothing if it was just revoked', async () => {
    expect((await ask('GET', '/account')).status).toBe(200);
    gatekeeper.firebase.revoke(user.uid);
    // For a minute, the cached entry still allows reads.
    expect((await ask('GET', '/account')).status).toBe(200);
    expect(await ask('DELETE', '/account')).toMatchObject({ status: 401, body: { code: 'invalid_id_token' } });
    expect(await sql('SELECT 1 FROM identity."AccountDeletion" WHERE firebase_uid = $1', [user.uid])).toEqual([]);
  });

  it('requires a recent sign-in', async () => {
    const { headers } = await gatekeeper.signInLongAgo();
    const refused = await ask('DELETE', '/account', undefined, headers);
    expect([refused.status, refused.body.code]).toEqual([403, 'recent_sign_in_required']);
  });
});

describe('GET /account/audit', () => {
  it('shows in pages what operators did and why, but not which operator', async () => {
    const operators = gatekeeper.service.app.get(OperatorAccessService, { strict: false });
    for (const reason of ['first', 'second', 'third'])
      await operators.block(user.uid, 'abuse', { actor: 'hopper', reason });
    const { body } = await ask<AuditTrail>('GET', '/account/audit?limit=2');
    expect(body.acts.map(({ by, reason }) => [by, reason])).toEqual([
      ['operator', 'third'],
      ['operator', 'second'],
    ]);
    expect(JSON.stringify(body)).not.toContain('hopper');
    const rest = (await ask<AuditTrail>('GET', `/account/audit?limit=2&cursor=${body.next}`)).body;
    expect([rest.acts.map(({ reason }) => reason), rest.next]).toEqual([['first'], null]);
  });
});

describe('GET /account/export', () => {
  /** Tables without personal data, and why; every other table must be in the export. */
  const impersonalTables: Readonly<Record<string, string>> = {
    Plan: 'product data',
    PlanPrice: 'product data',
    IssuerKey: 'the same for all users',
    DailyIssuance: 'totals',
    MaintenanceRun: 'internal state',
    DeliveryPause: 'internal state',
    AccountDeletion: 'only users who can no longer sign in',
  };

  const exported = async () => (await ask<AccountExport>('GET', '/account/export')).body;

  /** Adds a row of the user to every table that can have one. */
  async function fillEveryTable(): Promise<void> {
    const id = await userId(user);
    const [key] = await sql<{ key_id: Buffer }>('SELECT key_id FROM identity."IssuerKey" LIMIT 1');
    const rows: [string, unknown[]][] = [
      [`UPDATE identity."User" SET stripe_customer_id = 'cus_' || md5($1::text) WHERE id = $1::text::uuid`, [id]],
      [
        `INSERT INTO identity."TokenIssuance" (user_id, key_id, plan_id, hashes) VALUES ($1::text::uuid, $2, 'standard', ARRAY['h'::bytea])`,
        [id, key?.key_id],
      ],
      [
        `INSERT INTO identity."AccessBlock" (user_id, reason, lifted_on) VALUES ($1::text::uuid, 'abuse', '2030-01-01')`,
        [id],
      ],
      [`INSERT INTO identity."CheckoutLease" VALUES ($1::text::uuid, gen_random_uuid(), now())`, [id]],
      [
        `INSERT INTO identity."AuditEvent" (at, actor, action, user_id, reason) VALUES (now(), 'hopper', 'x', $1::text::uuid, 'why')`,
        [id],
      ],
      [
        `INSERT INTO identity."PushDevice" (user_id, token, platform, registered_on) VALUES ($1::text::uuid, 'a token ' || $1::text, 'ios', '2030-01-01')`,
        [id],
      ],
      [`INSERT INTO identity."UserPreferences" VALUES ($1::text::uuid, 1, NULL, 'none', NULL, 'en', '{}', '{}')`, [id]],
      [
        `INSERT INTO identity."PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
         VALUES ($1::text::uuid, 'apple', 'apple:' || $1::text, 'charge', 499, 'eur', now())`,
        [id],
      ],
      [
        `INSERT INTO identity."WebhookEvent" (provider, event_id, type, object_ref, occurred_at, received_at)
         VALUES ('stripe', md5($1::text), 'invoice.paid', 'cus_' || md5($1::text), now(), now())`,
        [id],
      ],
    ];
    for (const [text, values] of rows) await sql(text, values);
  }

  async function tablesMissing(tables: AccountExport['tables']): Promise<string[]> {
    const columns = await readColumns(gatekeeper.stack.ownerUrl, 'identity');
    return columns
      .filter(({ table }) => impersonalTables[table] === undefined)
      .filter(({ table, column }) => !(column in (tables[table]?.[0] ?? {})))
      .map(({ table, column }) => `${table}.${column}`);
  }

  it('contains every column of every table with data of users', async () => {
    await fillEveryTable();
    const { tables, identityProvider } = await exported();
    expect(await tablesMissing(tables)).toEqual([]);
    expect(identityProvider).toMatchObject({ uid: user.uid, email: user.email, signInProviders: ['password'] });
    expect(tables.TrialGrant).toHaveLength(2);
    expect(JSON.stringify(tables)).not.toContain('hopper');
  });

  it('contains new columns and tables, and this test notices a table that the export cannot find', async () => {
    await fillEveryTable();
    await sql(`ALTER TABLE identity."Subscription" ADD COLUMN surprise text DEFAULT 'of later'`);
    await sql(`CREATE TABLE identity."Later" (owner uuid REFERENCES identity."User", what text)`);
    await sql(`GRANT SELECT ON identity."Later" TO vpn_identity`);
    await sql(`INSERT INTO identity."Later" VALUES ($1, 'and more')`, [await userId(user)]);
    await sql(`CREATE TABLE identity."Unrelated" (user_id uuid)`);
    try {
      const { tables } = await exported();
      expect(tables.Subscription?.[0]).toMatchObject({ surprise: 'of later' });
      expect(tables.Later).toEqual([{ owner: await userId(user), what: 'and more' }]);
      expect(await tablesMissing(tables)).toEqual(['Unrelated.user_id']);
    } finally {
      await sql('DROP TABLE identity."Later", identity."Unrelated"');
      await sql('ALTER TABLE identity."Subscription" DROP COLUMN surprise');
    }
  });

  it('contains the events of refunds and disputes, and the card hash of a provider’s trial', async () => {
    const id = await userId(user);
    const charge = `ch_${randomUUID()}`;
    await sql(
      `INSERT INTO identity."PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
       VALUES ($1, 'stripe', 'stripe:' || $2, 'charge', 499, 'eur', now())`,
      [id, charge],
    );
    await sql(
      `INSERT INTO identity."WebhookEvent" (provider, event_id, type, object_ref, occurred_at, received_at)
       VALUES ('stripe', $1 || 'mine', 'charge.dispute.created', $1, now(), now()),
         ('stripe', $1 || 'other', 'charge.dispute.created', $1 || 'x', now(), now())`,
      [charge],
    );
    const providerRef = `stripe:${charge}`;
    await sql(
      `INSERT INTO identity."Subscription" (user_id, provider, provider_ref, plan_id, status, paid_through, fetch_version)
       VALUES ($1, 'stripe', $2, 'standard', 'TRIAL', now(), 1)`,
      [id, providerRef],
    );
    const trials = gatekeeper.service.app.get(TrialsService, { strict: false });
    // The hashes belong to another account and a card, so only the name of the trial leads to these rows.
    const email = `${randomUUID()}@example.com`;
    const holder = { firebaseUid: randomUUID(), email, emailVerified: true, paymentMethod: randomUUID() };
    await trials.claim(providerRef, holder);
    const { tables } = await exported();
    expect(tables.WebhookEvent?.map(({ event_id }) => event_id)).toEqual([`${charge}mine`]);
    expect(tables.TrialGrant).toHaveLength(5);
  });

  it('is recorded in the audit trail at most once an hour', async () => {
    await exported();
    const { tables } = await exported();
    expect(tables.AuditEvent).toMatchObject([{ actor: 'self', action: 'account.export' }]);
  });

  it('does not reveal whether an address had a trial until the address is verified', async () => {
    const [mailbox, host] = user.email.split('@');
    // The trial hash treats both addresses as one mailbox; for Firebase they are two accounts.
    const variant = { email: `${mailbox}+x@${host}`, emailVerified: false };
    const stranger = await gatekeeper.signIn(variant);
    const grants = async () =>
      (await ask<AccountExport>('GET', '/account/export', undefined, stranger.headers)).body.tables.TrialGrant;
    expect(await grants()).toBeUndefined();
    gatekeeper.firebase.setEmail(stranger.uid, variant.email, true);
    expect(await grants()).toHaveLength(1);
  });

  it('contains no data of other users', async () => {
    await fillEveryTable();
    const other = await gatekeeper.signInWithTrial();
    const text = JSON.stringify(await exported());
    for (const secret of [other.uid, other.email, await userId(other)]) expect(text).not.toContain(secret);
  });
});
