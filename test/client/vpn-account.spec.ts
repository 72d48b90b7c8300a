import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Account,
  type AccountHistory,
  createClient,
  type AuditTrail,
  type TaggedPreferences,
} from '@vpn-backend/client';
import { Firebase, writeSession } from '../../packages/client/src/cli/session.js';
import { signUp } from '../support/client-world.js';
import { bearerOf, overtakenBy, startAccounts } from '../support/accounts.js';
import { type TestGatekeeper } from '../support/gatekeeper.js';
import { query } from '../support/stack.js';
import { type Ran, runVpnCommand, type VpnSetting } from '../support/vpn-command.js';

let gatekeeper: TestGatekeeper;
let stop: () => Promise<void>;
let home: string;
let email: string;
let password: string;

beforeAll(async () => {
  ({ gatekeeper, stop } = await startAccounts());
});
afterAll(() => stop());
beforeEach(async () => {
  gatekeeper.clock.set(new Date());
  home = mkdtempSync(join(tmpdir(), 'vpn-account-test-'));
  ({ email, password } = await signUp(gatekeeper.firebase.url));
  await login();
});
afterEach(() => rmSync(home, { recursive: true }));

const vpn = (args: readonly string[], setting: Partial<VpnSetting> = {}): Promise<Ran> =>
  runVpnCommand(['account', ...args], {
    home,
    gatekeeperUrl: gatekeeper.service.url,
    // Commands of the account never contact the anonymizer.
    anonymizerUrl: 'http://127.0.0.1:1',
    firebaseUrl: gatekeeper.firebase.url,
    ...setting,
  });

async function json<T>(...args: string[]): Promise<T> {
  const { code, out, messages } = await vpn([...args, '--json']);
  expect([code, messages]).toEqual([0, '']);
  return JSON.parse(out) as T;
}

/** Signs in as `vpn login` does, without a wallet. */
async function login(at = home): Promise<void> {
  const firebase = new Firebase({ apiKey: 'any', firebaseUrl: gatekeeper.firebase.url }, fetch);
  await writeSession(at, await firebase.signIn(email, password));
}

const sql = (text: string, values: unknown[]) => query(gatekeeper.stack.ownerUrl, text, values);

describe('vpn account', () => {
  it('shows the account, and how many of today’s tokens are left', async () => {
    const account = await json<Account>();
    expect(account).toMatchObject({ email, emailVerified: true, signInProviders: ['password'], devices: [] });
    const { code, out } = await vpn([]);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^E-mail +${email}\nSign-in +password\nCreated .*\nTokens +none`));
    const headers = { authorization: await bearerOf(gatekeeper, home) };
    expect((await gatekeeper.post('/subscription/trial', headers)).status).toBe(201);
    expect((await vpn([])).out).toMatch(/Tokens +0 of 32 used, 32 left until /);
  });

  it('requires a sign-in', async () => {
    rmSync(join(home, 'session.json'));
    const { code, out, messages } = await vpn(['history']);
    expect([code, out, messages]).toEqual([3, '', 'You are not signed in.\nSign in: vpn login']);
  });

  it('requests a new address, and keeps the old one until the new one is confirmed', async () => {
    const newEmail = `${crypto.randomUUID()}@example.com`;
    expect(await json<Account>('email', newEmail)).toMatchObject({ email, emailVerified: true });
    const { code, out } = await vpn(['email', newEmail]);
    expect([code, out]).toEqual([0, expect.stringContaining(`A confirmation link was mailed to ${newEmail}`)]);
    expect((await vpn([])).out).toContain(email);
  });

  it.each([
    ['an invalid address', 'ada@@example.com', 2, /expected one e-mail address/],
    ['several addresses', 'ada@example.com,eve@example.com', 2, /expected one e-mail address/],
  ])('explains why it refuses %s', async (_, address, code, text) => {
    const ran = await vpn(['email', address]);
    expect([ran.code, ran.out, ran.messages]).toEqual([code, '', expect.stringMatching(text)]);
  });

  it('accepts an address that begins with a dash', async () => {
    expect((await vpn(['email', `-${crypto.randomUUID()}@example.com`])).code).toBe(0);
  });

  it('does not reveal whether an address belongs to another account', async () => {
    const other = await signUp(gatekeeper.firebase.url);
    expect(await json<Account>('email', other.email)).toEqual(await json<Account>('email', `x${other.email}`));
  });

  it('lists devices with push notifications, and removes one by the beginning of its id', async () => {
    const id = await addDevice();
    const other = await addDevice();
    expect((await vpn(['devices'])).out).toMatch(/^device +platform +registered\n[^]*ios/);
    expect((await vpn([])).out).toContain('Devices     2 with push notifications');
    expect((await vpn(['devices', 'remove', 'nothing'])).code).toBe(2);
    // Every id begins with the empty text.
    expect(await vpn(['devices', 'remove', ''])).toMatchObject({ code: 2 });
    expect(await json('devices', 'remove', id.slice(0, 13))).toEqual({ id });
    expect(await json('devices')).toMatchObject([{ id: other, platform: 'ios' }]);
  });

  it('refuses an unknown subcommand', async () => {
    expect((await vpn(['connections'])).code).toBe(2);
  });
});

describe('vpn account history', () => {
  it('shows every event once, page by page', async () => {
    const { uid } = await provisioned();
    await sql(
      `INSERT INTO identity."PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
       SELECT u.id, 'stripe', 'stripe:' || u.id || n, 'charge', 499, 'eur', timestamptz '2030-01-01' + n * interval '1 day'
       FROM generate_series(1, 5) n, identity."User" u WHERE firebase_uid = $1`,
      [uid],
    );
    const first = await vpn(['history', '--limit', '2']);
    expect(first.out).toMatch(/^when +what\n2030-01-06 .*You paid €4\.99 through Stripe\.\n2030-01-05 [^]*Next page: /);
    const [, cursor = ''] = /--cursor (\S+)$/.exec(first.out) ?? [];
    const second = await json<AccountHistory>('history', '--limit', '2', '--cursor', cursor);
    expect(second.events.map(({ at }) => at.slice(0, 10))).toEqual(['2030-01-04', '2030-01-03']);
    expect(second.next).toEqual(expect.any(String));
    const whole = await json<AccountHistory>('history', '--limit', '2', '--all');
    expect([whole.events.length, whole.next]).toEqual([5, null]);
  });

  it('is empty for a new user', async () => {
    expect(await vpn(['history'])).toMatchObject({ code: 0, out: 'No subscriptions or payments yet.' });
  });

  it.each([
    ['a limit that is not a number', ['--limit', 'many'], /--limit must be 1 to 100/],
    ['a limit of 0', ['--limit', '0'], /expected 1 to 100/],
    ['an invalid cursor', ['--cursor', 'abcd'], /the `next` of the previous page/],
  ])('explains why it refuses %s', async (_, args, text) => {
    expect(await vpn(['history', ...args])).toMatchObject({
      code: 2,
      out: '',
      messages: expect.stringMatching(text) as string,
    });
  });
});

describe('vpn account audit', () => {
  it('shows what was done to the account, and who did it', async () => {
    await vpn(['email', `${crypto.randomUUID()}@example.com`]);
    expect((await json<AuditTrail>('audit')).acts).toMatchObject([
      { by: 'you', action: 'account.ask_email_change', reason: null },
    ]);
    expect((await vpn(['audit'])).out).toMatch(/^when +by +what +why\n.* you +account\.ask_email_change$/);
  });
});

describe('vpn account preferences', () => {
  it('shows and changes preferences by name and value', async () => {
    expect((await vpn(['preferences'])).out).toMatch(/^defaultLocation +not set\n[^]*version +0$/);
    const set = ['preferences', 'set', 'defaultLocation=de-frankfurt', 'dnsBlocking=ads', 'endpointPort=443'];
    const expected = { defaultLocation: 'de-frankfurt', dnsBlocking: 'ads', endpointPort: 443, locale: 'en' };
    expect(await json<TaggedPreferences>(...set)).toMatchObject({ preferences: expected, etag: '"1"' });
    const unset = await json<TaggedPreferences>('preferences', 'set', 'endpointPort=', 'defaultLocation=');
    expect(unset.preferences).toMatchObject({ defaultLocation: null, dnsBlocking: 'ads', endpointPort: null });
    expect(await json<TaggedPreferences>('preferences')).toEqual(unset);
  });

  it.each([
    ['a setting that stays on the device', 'splitTunnel=firefox', /not a preference[^]*defaultLocation, dnsBlocking/],
    ['a name without a value', 'dnsBlocking', /Expected name=value/],
    ['notifications', 'notMailed=renewed', /vpn account notifications set/],
    ['an invalid port', 'endpointPort=https', /1 to 65535/],
    ['a port out of range', 'endpointPort=70000', /endpointPort/],
    ['an unknown level', 'dnsBlocking=all', /dnsBlocking/],
    ['an unknown location', 'defaultLocation=fr-paris', /expected the id of a location/],
    ['the name of an object’s built-in property', '__proto__=x', /not a preference/],
  ])('explains why it refuses %s, and changes nothing', async (_, pair, text) => {
    const { code, out, messages } = await vpn(['preferences', 'set', 'locale=en', pair]);
    expect([code, out, messages]).toEqual([2, '', expect.stringMatching(text)]);
    expect((await json<TaggedPreferences>('preferences')).etag).toBe('"0"');
  });

  it('overwrites no concurrent change of another device, but shows it and the next step', async () => {
    const command = ['preferences', 'set', 'endpointPort=443'];
    const conflict = await vpn(command, {
      fetch: overtakenBy(gatekeeper, { endpointPort: 51_820, dnsBlocking: 'ads' }),
    });
    expect([conflict.code, conflict.out]).toEqual([5, '']);
    expect(conflict.messages).toContain('so yours were not saved. The current version is 1');
    expect(conflict.messages).toContain('dnsBlocking is ads (was none); endpointPort is 51820 (was not set)');
    expect(conflict.messages).toContain('run the same command again');
    expect(await vpn(command)).toMatchObject({ code: 0, out: expect.stringMatching(/endpointPort +443\n/) as string });
  });

  it('changes only the version that --if-match names', async () => {
    await vpn(['preferences', 'set', 'endpointPort=443']);
    const { code, out } = await vpn(['preferences', 'set', 'endpointPort=53', '--if-match', '0', '--json']);
    const error = {
      code: 'precondition_failed',
      message: expect.stringMatching(/current version is 1: endpointPort is 443/) as string,
      next: expect.stringContaining('--if-match 1') as string,
    };
    expect([code, JSON.parse(out)]).toMatchObject([5, { error }]);
    for (const version of ['1', '"2"']) {
      const port = `endpointPort=${version.length}`;
      expect(await vpn(['preferences', 'set', port, '--if-match', version])).toMatchObject({ code: 0 });
    }
  });
});

describe('vpn account notifications', () => {
  const row = (kind: string, mail: string, push: string) => ({ kind, mail, push });

  it('turns notifications off and on, by kind and channel', async () => {
    expect((await vpn(['notifications'])).out).toMatch(
      /^kind +mail +push +sent when\nwelcome +on +on[^]*payment_failed +always +on/,
    );
    await json('notifications', 'set', 'renewed.mail=off', 'payment_failed.push=off', 'welcome.push=off');
    const rows = await json<object[]>('notifications', 'set', 'welcome.push=on');
    expect(rows).toMatchObject([
      row('welcome', 'on', 'on'),
      {},
      {},
      row('payment_failed', 'always', 'off'),
      {},
      row('renewed', 'off', 'on'),
      {},
      {},
      {},
      {},
      {},
      {},
      {},
      {},
    ]);
    expect((await json<TaggedPreferences>('preferences')).preferences).toMatchObject({
      notMailed: ['renewed'],
      notPushed: ['payment_failed'],
    });
  });

  it.each([
    ['a mail about the account', 'payment_failed.mail=off', /cannot be turned off/],
    ['an unknown kind', 'connected.push=on', /not a valid setting/],
    ['an unknown channel', 'renewed.sms=on', /not a valid setting/],
    ['no state', 'renewed.mail', /such as renewed\.mail=off/],
  ])('explains why it refuses %s', async (_, setting, text) => {
    const { code, out, messages } = await vpn(['notifications', 'set', setting]);
    expect([code, out, messages]).toEqual([2, '', expect.stringMatching(text)]);
  });

  it('overwrites no concurrent change of another device', async () => {
    const conflict = await vpn(['notifications', 'set', 'renewed.mail=off'], {
      fetch: overtakenBy(gatekeeper, { notMailed: ['welcome'] }),
    });
    expect([conflict.code, conflict.messages]).toEqual([5, expect.stringContaining('notMailed is welcome (was none)')]);
    await json('notifications', 'set', 'renewed.mail=off');
    expect((await json<TaggedPreferences>('preferences')).preferences.notMailed).toEqual(['renewed', 'welcome']);
  });
});

describe('vpn account export', () => {
  it('writes all data to a file that only its owner can read', async () => {
    const file = join(home, 'account.json');
    expect(await vpn(['export', '--out', file])).toMatchObject({
      code: 0,
      out: expect.stringContaining(file) as string,
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const exported = JSON.parse(readFileSync(file, 'utf8')) as { tables: Record<string, object[]> };
    expect(exported.tables['User']).toMatchObject([{ email }]);
    // Other tables may change between the two exports, for example when a mail is sent.
    expect(JSON.parse((await vpn(['export'])).out)).toMatchObject({ tables: { User: exported.tables['User'] } });
  });
});

describe('vpn account signout-everywhere', () => {
  it('signs out all devices at once', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'vpn-account-test-'));
    await login(elsewhere);
    expect(await vpn([], { home: elsewhere })).toMatchObject({ code: 0 });
    // Firebase stores the time in seconds: sign-ins of the same second would stay valid.
    gatekeeper.clock.advance(2_000);
    expect(await vpn(['signout-everywhere'])).toMatchObject({ code: 0 });
    expect(await vpn([])).toMatchObject({ code: 3, messages: 'You are not signed in.\nSign in: vpn login' });
    expect(await vpn([], { home: elsewhere })).toMatchObject({
      code: 3,
      messages: expect.stringContaining('vpn login') as string,
    });
    rmSync(elsewhere, { recursive: true });
    gatekeeper.clock.advance(1_000);
    await login();
    expect((await json<AuditTrail>('audit')).acts).toMatchObject([{ action: 'account.sign_out_everywhere' }]);
  });
});

describe('vpn account delete', () => {
  it('deletes nothing without confirmation', async () => {
    for (const answers of [[], ['yes'], ['']]) {
      const { code, messages } = await vpn(['delete'], { answers });
      const refusal = 'Not confirmed: nothing was deleted.\nType "delete" to confirm, or use --yes.';
      expect([code, messages]).toEqual([2, refusal]);
    }
    expect(await vpn([])).toMatchObject({ code: 0 });
  });

  it.each([
    ['after confirmation', ['delete'], ['delete']],
    ['without confirmation with --yes', ['delete', '--yes'], []],
  ])('deletes the account %s, and signs out', async (_, args, answers) => {
    const { uid } = await provisioned();
    const { code, out } = await vpn(args, { answers });
    expect([code, out]).toEqual([0, 'Your account is being deleted. You are signed out.']);
    expect(readdirSync(home)).not.toContain('session.json');
    await expect
      .poll(() => sql('SELECT 1 FROM identity."User" WHERE firebase_uid = $1', [uid]), { timeout: 30_000 })
      .toEqual([]);
  });

  it('requires a recent sign-in, as does a change of the address', async () => {
    gatekeeper.clock.advance(6 * 60_000);
    for (const args of [
      ['delete', '--yes'],
      ['email', 'ada@example.com'],
    ]) {
      const { code, messages } = await vpn(args);
      expect([code, messages]).toEqual([3, expect.stringMatching(/within five minutes[^]*vpn login$/)]);
    }
    await login();
    expect(await vpn(['delete', '--yes'])).toMatchObject({ code: 0 });
  });
});

/** Creates the user's row, as the first request of a new user does. */
async function provisioned(): Promise<{ uid: string }> {
  expect((await vpn([])).code).toBe(0);
  return JSON.parse(readFileSync(join(home, 'session.json'), 'utf8')) as { uid: string };
}

/** Registers a device, as an app with push notifications does. @returns its id */
async function addDevice(): Promise<string> {
  const bearer = await bearerOf(gatekeeper, home);
  const { account } = createClient({
    gatekeeperUrl: gatekeeper.service.url,
    anonymizerUrl: 'http://127.0.0.1:1',
    getIdToken: () => bearer.slice('Bearer '.length),
  });
  return account.addDevice({ platform: 'ios', token: `${crypto.randomUUID()}:${crypto.randomUUID()}` });
}
