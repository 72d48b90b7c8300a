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
let person: SignedIn;

beforeAll(async () => {
  gatekeeper = await startGatekeeper();
});
afterAll(() => gatekeeper.stop());
beforeEach(async () => {
  // Firebase dates sign-ins by the machine's clock.
  gatekeeper.clock.set(new Date());
  person = await gatekeeper.signInWithTrial();
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
  return {
    status: response.status,
    body: (text === '' ? {} : JSON.parse(text)) as T & { code?: string; detail?: string },
  };
}

async function userId({ uid }: SignedIn): Promise<string> {
  const [row] = await sql<{ id: string }>('SELECT id FROM identity."User" WHERE firebase_uid = $1', [uid]);
  return row?.id ?? '';
}

describe('an account', () => {
  it('says who somebody is here, and how many tokens are left', async () => {
    gatekeeper.firebase.link(person.uid, 'google.com');
    gatekeeper.clock.advance(60_000);
    const { status, body } = await ask<Account>('GET', '/account');
    gatekeeper.clock.advance(-60_000);
    expect([status, body]).toEqual([
      200,
      {
        email: person.email,
        emailVerified: true,
        createdOn: gatekeeper.clock.now().toISOString().slice(0, 10),
        signInProviders: ['google.com', 'password'],
        devices: [],
        tokens: { dailyTokens: 32, used: 0, left: 32, resetsAt: expect.stringMatching(/T00:00:00.000Z$/) as string },
      },
    ]);
  });

  it('counts what was signed today', async () => {
    const { keyId } = gatekeeper.service.app.get(IssuerKeysService, { strict: false }).signingKey();
    await sql(
      `INSERT INTO identity."TokenIssuance" (user_id, key_id, plan_id, hashes) VALUES ($1, $2, 'standard', ARRAY['a'::bytea, 'b'])`,
      [await userId(person), keyId],
    );
    expect((await ask<Account>('GET', '/account')).body.tokens).toMatchObject({ dailyTokens: 32, used: 2, left: 30 });
  });

  it.each([
    ['a line of its own', 'ada@example.com\r\nBcc: eve@example.com'],
    ['a list', 'ada@example.com, eve@example.com'],
    ['a list without spaces', 'ada@example.com,eve@example.com'],
    ['a name and an address', 'Ada <ada@example.com>'],
    ['10 kB before the @', `${'a'.repeat(10_000)}@example.com`],
    ['300 characters', `ada@${'example.'.repeat(40)}com`],
  ])('takes no address that is %s', async (_what, email) => {
    const { status, body } = await ask('PATCH', '/account', { email });
    expect([status, body.code, body.detail]).toEqual([400, 'invalid_request', expect.stringContaining('email')]);
  });
});

describe('devices', () => {
  const register = (token: string, headers = person.headers) =>
    ask<{ id: string }>('POST', '/account/devices', { platform: 'ios', token }, headers);
  const devices = async () => (await ask<Account>('GET', '/account')).body.devices;

  it('are one each, however often they register, and belong to whoever registered last', async () => {
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

  it('are twenty at most', async () => {
    for (let n = 0; n < 23; n += 1) await register(`token-of-device-${n}-${randomUUID()}`);
    expect(await devices()).toHaveLength(20);
  });

  it('are forgotten by their owner alone', async () => {
    const { body } = await register(`token-of-a-device-${randomUUID()}`);
    const other = await gatekeeper.signIn();
    expect((await ask('DELETE', `/account/devices/${body.id}`, undefined, other.headers)).status).toBe(404);
    expect((await ask('DELETE', `/account/devices/${body.id}`)).status).toBe(204);
    expect(await devices()).toEqual([]);
    expect((await ask('DELETE', `/account/devices/${body.id}`)).body.code).toBe('device_not_found');
  });
});

describe('the history', () => {
  it('tells in plain words, newest first, every row once however the pages fall', async () => {
    const id = await userId(person);
    await sql(
      `INSERT INTO identity."PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
       SELECT $1::text::uuid, 'stripe', 'stripe:' || $1 || n, 'charge', 499, 'eur', timestamptz '2030-01-01' + (n / 3) * interval '1 day'
       FROM generate_series(1, 10) n`,
      [id],
    );
    const whole = (await ask<AccountHistory>('GET', '/account/history')).body;
    // The ten payments, and the trial that began.
    expect([whole.events.length, whole.next]).toEqual([11, null]);
    expect(whole.events.at(-1)).toMatchObject({
      kind: 'started',
      amount: null,
      text: expect.stringMatching(/^Your trial of Standard began/) as string,
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

  it('refuses a cursor that nobody gave', async () => {
    expect(await ask('GET', '/account/history?cursor=abc')).toMatchObject({
      status: 400,
      body: { code: 'invalid_request' },
    });
  });
});

describe('deleting an account', () => {
  it('erases the person, here and at Firebase, and lets their token in no more', async () => {
    const id = await userId(person);
    expect(await ask('DELETE', '/account')).toMatchObject({ status: 202, body: { stillBilledBy: [] } });
    expect((await ask('GET', '/account')).status).toBe(401);
    await expect.poll(() => userId(person)).toBe('');
    expect(gatekeeper.firebase.exists(person.uid)).toBe(false);
    expect((await ask('GET', '/account')).status).toBe(401);
    expect(await userId(person)).toBe('');
    expect(await sql('SELECT 1 FROM identity."Subscription" WHERE user_id = $1', [id])).toEqual([]);
    const audit = `SELECT action FROM identity."AuditEvent" WHERE user_id IS NULL AND action = 'account.delete'`;
    expect(await sql(audit)).toHaveLength(1);
  });

  it('asks the provider at that moment: a sign-in that was just revoked deletes nothing', async () => {
    expect((await ask('GET', '/account')).status).toBe(200);
    gatekeeper.firebase.revoke(person.uid);
    // Within the minute in which a read is still answered.
    expect((await ask('GET', '/account')).status).toBe(200);
    expect(await ask('DELETE', '/account')).toMatchObject({ status: 401, body: { code: 'invalid_id_token' } });
    expect(await sql('SELECT 1 FROM identity."AccountDeletion" WHERE firebase_uid = $1', [person.uid])).toEqual([]);
  });

  it('is for whoever has just signed in', async () => {
    const { headers } = await gatekeeper.signInLongAgo();
    const refused = await ask('DELETE', '/account', undefined, headers);
    expect([refused.status, refused.body.code]).toEqual([403, 'recent_sign_in_required']);
  });
});

describe('the audit', () => {
  it('shows what operators did and why, but not which operator; page by page', async () => {
    const operators = gatekeeper.service.app.get(OperatorAccessService, { strict: false });
    for (const reason of ['first', 'second', 'third'])
      await operators.block(person.uid, 'abuse', { actor: 'hopper', reason });
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

describe('the export', () => {
  /** Tables that hold nothing of anybody, and why; every other one must be in the export. */
  const ofNobody: Readonly<Record<string, string>> = {
    Plan: 'what is sold',
    PlanPrice: 'what is sold',
    IssuerKey: 'the same for everyone',
    DailyIssuance: 'sums',
    MaintenanceRun: 'of the machinery',
    DeliveryPause: 'of the machinery',
    AccountDeletion: 'only of people who are let in no more',
  };

  const exported = async () => (await ask<AccountExport>('GET', '/account/export')).body;

  /** A row of the person in every table that can have one. */
  async function fillEveryTable(): Promise<void> {
    const id = await userId(person);
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
      .filter(({ table }) => ofNobody[table] === undefined)
      .filter(({ table, column }) => !(column in (tables[table]?.[0] ?? {})))
      .map(({ table, column }) => `${table}.${column}`);
  }

  it('has every column of every table that can speak of a person', async () => {
    await fillEveryTable();
    const { tables, identityProvider } = await exported();
    expect(await tablesMissing(tables)).toEqual([]);
    expect(identityProvider).toMatchObject({ uid: person.uid, email: person.email, signInProviders: ['password'] });
    expect(tables.TrialGrant).toHaveLength(2);
    expect(JSON.stringify(tables)).not.toContain('hopper');
  });

  it('has a column and a table that were added since; and a table that it cannot find is found missing', async () => {
    await fillEveryTable();
    await sql(`ALTER TABLE identity."Subscription" ADD COLUMN surprise text DEFAULT 'of later'`);
    await sql(`CREATE TABLE identity."Later" (whose uuid REFERENCES identity."User", what text)`);
    await sql(`GRANT SELECT ON identity."Later" TO vpn_identity`);
    await sql(`INSERT INTO identity."Later" VALUES ($1, 'and more')`, [await userId(person)]);
    await sql(`CREATE TABLE identity."Unrelated" (user_id uuid)`);
    try {
      const { tables } = await exported();
      expect(tables.Subscription?.[0]).toMatchObject({ surprise: 'of later' });
      expect(tables.Later).toEqual([{ whose: await userId(person), what: 'and more' }]);
      expect(await tablesMissing(tables)).toEqual(['Unrelated.user_id']);
    } finally {
      await sql('DROP TABLE identity."Later", identity."Unrelated"');
      await sql('ALTER TABLE identity."Subscription" DROP COLUMN surprise');
    }
  });

  it('has what refunds and disputes said of a charge, and the card that a provider’s trial is remembered by', async () => {
    const id = await userId(person);
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
    // Of somebody else's account, as far as the hashes tell, with a card: only the trial's own name leads to them.
    const email = `${randomUUID()}@example.com`;
    const holder = { firebaseUid: randomUUID(), email, emailVerified: true, paymentMethod: randomUUID() };
    await trials.claim(providerRef, holder);
    const { tables } = await exported();
    expect(tables.WebhookEvent?.map(({ event_id }) => event_id)).toEqual([`${charge}mine`]);
    expect(tables.TrialGrant).toHaveLength(5);
  });

  it('is written down once an hour, however often it is asked for', async () => {
    await exported();
    const { tables } = await exported();
    expect(tables.AuditEvent).toMatchObject([{ actor: 'self', action: 'account.export' }]);
  });

  it('does not say whether an address had a trial to whoever has not proven that it is theirs', async () => {
    const [mailbox, host] = person.email.split('@');
    // One mailbox for whoever remembers trials, another account for Firebase.
    const variant = { email: `${mailbox}+x@${host}`, emailVerified: false };
    const stranger = await gatekeeper.signIn(variant);
    const grants = async () =>
      (await ask<AccountExport>('GET', '/account/export', undefined, stranger.headers)).body.tables.TrialGrant;
    expect(await grants()).toBeUndefined();
    gatekeeper.firebase.setEmail(stranger.uid, variant.email, true);
    expect(await grants()).toHaveLength(1);
  });

  it('has nothing of anybody else', async () => {
    await fillEveryTable();
    const other = await gatekeeper.signInWithTrial();
    const text = JSON.stringify(await exported());
    for (const secret of [other.uid, other.email, await userId(other)]) expect(text).not.toContain(secret);
  });
});
