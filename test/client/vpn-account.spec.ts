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
    // Nothing of an account is asked of the other side.
    anonymizerUrl: 'http://127.0.0.1:1',
    firebaseUrl: gatekeeper.firebase.url,
    ...setting,
  });

async function json<T>(...args: string[]): Promise<T> {
  const { code, out, told } = await vpn([...args, '--json']);
  expect([code, told]).toEqual([0, '']);
  return JSON.parse(out) as T;
}

/** Signs in as `vpn login` does, but for the wallet. */
async function login(at = home): Promise<void> {
  const firebase = new Firebase({ apiKey: 'any', firebaseUrl: gatekeeper.firebase.url }, fetch);
  await writeSession(at, await firebase.signIn(email, password));
}

const sql = (text: string, values: unknown[]) => query(gatekeeper.stack.ownerUrl, text, values);

describe('vpn account', () => {
  it('shows who one is here, and what is left of today’s tokens', async () => {
    const account = await json<Account>();
    expect(account).toMatchObject({ email, emailVerified: true, signInProviders: ['password'], devices: [] });
    const { code, out } = await vpn([]);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^Address +${email}\nSign-in by +password\nSince .*\nTokens +none without`));
    const headers = { authorization: await bearerOf(gatekeeper, home) };
    expect((await gatekeeper.post('/subscription/trial', headers)).status).toBe(201);
    expect((await vpn([])).out).toMatch(/Tokens +0 of 32 used, 32 left until /);
  });

  it('asks for a sign-in first', async () => {
    rmSync(join(home, 'session.json'));
    const { code, out, told } = await vpn(['history']);
    expect([code, out, told]).toEqual([3, '', 'Nobody is signed in.\nSign in: vpn login']);
  });

  it('asks for another address, and goes on with the one it has until that is proven', async () => {
    const wanted = `${crypto.randomUUID()}@example.com`;
    expect(await json<Account>('email', wanted)).toMatchObject({ email, emailVerified: true });
    const { code, out } = await vpn(['email', wanted]);
    expect([code, out]).toEqual([0, expect.stringContaining(`A link is on its way to ${wanted}`)]);
    expect((await vpn([])).out).toContain(email);
  });

  it.each([
    ['what is no address', 'ada@@example.com', 2, /expected one e-mail address/],
    ['several addresses', 'ada@example.com,eve@example.com', 2, /expected one e-mail address/],
  ])('says what is wrong with %s', async (_, wanted, code, words) => {
    const ran = await vpn(['email', wanted]);
    expect([ran.code, ran.out, ran.told]).toEqual([code, '', expect.stringMatching(words)]);
  });

  it('takes an address that begins with a dash', async () => {
    expect((await vpn(['email', `-${crypto.randomUUID()}@example.com`])).code).toBe(0);
  });

  it('says nothing of whether an address is somebody else’s', async () => {
    const other = await signUp(gatekeeper.firebase.url);
    expect(await json<Account>('email', other.email)).toEqual(await json<Account>('email', `x${other.email}`));
  });

  it('lists devices that get pushes, and forgets one by the beginning of its id', async () => {
    const id = await addDevice();
    const other = await addDevice();
    expect((await vpn(['devices'])).out).toMatch(/^device +platform +registered\n[^]*ios/);
    expect((await vpn([])).out).toContain('Devices     2 that get pushes');
    expect((await vpn(['devices', 'remove', 'nothing'])).code).toBe(2);
    // What every id begins with.
    expect(await vpn(['devices', 'remove', ''])).toMatchObject({ code: 2 });
    expect(await json('devices', 'remove', id.slice(0, 13))).toEqual({ id });
    expect(await json('devices')).toMatchObject([{ id: other, platform: 'ios' }]);
  });

  it('knows no other commands', async () => {
    expect((await vpn(['connections'])).code).toBe(2);
  });
});

describe('vpn account history', () => {
  it('tells every event once, page by page', async () => {
    const { uid } = await provisioned();
    await sql(
      `INSERT INTO identity."PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
       SELECT u.id, 'stripe', 'stripe:' || u.id || n, 'charge', 499, 'eur', timestamptz '2030-01-01' + n * interval '1 day'
       FROM generate_series(1, 5) n, identity."User" u WHERE firebase_uid = $1`,
      [uid],
    );
    const first = await vpn(['history', '--limit', '2']);
    expect(first.out).toMatch(
      /^when +what\n2030-01-06 .*You paid €4\.99 through Stripe\.\n2030-01-05 [^]*There is more: /,
    );
    const [, cursor = ''] = /--cursor (\S+)$/.exec(first.out) ?? [];
    const second = await json<AccountHistory>('history', '--limit', '2', '--cursor', cursor);
    expect(second.events.map(({ at }) => at.slice(0, 10))).toEqual(['2030-01-04', '2030-01-03']);
    expect(second.next).toEqual(expect.any(String));
    const whole = await json<AccountHistory>('history', '--limit', '2', '--all');
    expect([whole.events.length, whole.next]).toEqual([5, null]);
  });

  it('is empty for somebody new', async () => {
    expect(await vpn(['history'])).toMatchObject({ code: 0, out: 'Nothing has happened yet.' });
  });

  it.each([
    ['a limit that is no number', ['--limit', 'many'], /--limit takes 1 to 100/],
    ['a limit of nothing', ['--limit', '0'], /expected 1 to 100/],
    ['a cursor that was not given', ['--cursor', 'abcd'], /the `next` of the previous page/],
  ])('says what is wrong with %s', async (_, args, words) => {
    expect(await vpn(['history', ...args])).toMatchObject({
      code: 2,
      out: '',
      told: expect.stringMatching(words) as string,
    });
  });
});

describe('vpn account audit', () => {
  it('tells what was done to the account, and by whom', async () => {
    await vpn(['email', `${crypto.randomUUID()}@example.com`]);
    expect((await json<AuditTrail>('audit')).acts).toMatchObject([
      { by: 'you', action: 'account.ask_email_change', reason: null },
    ]);
    expect((await vpn(['audit'])).out).toMatch(/^when +by +what +why\n.* you +account\.ask_email_change$/);
  });
});

describe('vpn account preferences', () => {
  it('are shown and set, by name and value', async () => {
    expect((await vpn(['preferences'])).out).toMatch(/^defaultLocation +not set\n[^]*version +0$/);
    const set = ['preferences', 'set', 'defaultLocation=de-frankfurt', 'dnsBlocking=ads', 'endpointPort=443'];
    const wanted = { defaultLocation: 'de-frankfurt', dnsBlocking: 'ads', endpointPort: 443, locale: 'en' };
    expect(await json<TaggedPreferences>(...set)).toMatchObject({ preferences: wanted, etag: '"1"' });
    const unset = await json<TaggedPreferences>('preferences', 'set', 'endpointPort=', 'defaultLocation=');
    expect(unset.preferences).toMatchObject({ defaultLocation: null, dnsBlocking: 'ads', endpointPort: null });
    expect(await json<TaggedPreferences>('preferences')).toEqual(unset);
  });

  it.each([
    ['a choice that is kept on the device', 'splitTunnel=firefox', /no choice[^]*defaultLocation, dnsBlocking/],
    ['a name alone', 'dnsBlocking', /name=value is expected/],
    ['notifications', 'notMailed=renewed', /vpn account notifications set/],
    ['a port that is none', 'endpointPort=https', /1 to 65535/],
    ['a port out of range', 'endpointPort=70000', /endpointPort/],
    ['an unknown level', 'dnsBlocking=all', /dnsBlocking/],
    ['an unknown location', 'defaultLocation=fr-paris', /expected one of GET \/vpn\/locations/],
    ['a name of the language', '__proto__=x', /no choice/],
  ])('say what is wrong with %s, and stay', async (_, pair, words) => {
    const { code, out, told } = await vpn(['preferences', 'set', 'locale=en', pair]);
    expect([code, out, told]).toEqual([2, '', expect.stringMatching(words)]);
    expect((await json<TaggedPreferences>('preferences')).etag).toBe('"0"');
  });

  it('overwrite nothing that another device changed meanwhile: that is shown, and how to go on', async () => {
    const command = ['preferences', 'set', 'endpointPort=443'];
    const overtaken = await vpn(command, {
      fetch: overtakenBy(gatekeeper, { endpointPort: 51_820, dnsBlocking: 'ads' }),
    });
    expect([overtaken.code, overtaken.out]).toEqual([5, '']);
    expect(overtaken.told).toContain('nothing was set. They are of version 1 now');
    expect(overtaken.told).toContain('dnsBlocking is ads, was none; endpointPort is 51820, was not set');
    expect(overtaken.told).toContain('give the same command again');
    expect(await vpn(command)).toMatchObject({ code: 0, out: expect.stringMatching(/endpointPort +443\n/) as string });
  });

  it('are changed only of the version that was meant', async () => {
    await vpn(['preferences', 'set', 'endpointPort=443']);
    const { code, out } = await vpn(['preferences', 'set', 'endpointPort=53', '--if-match', '0', '--json']);
    const error = {
      code: 'precondition_failed',
      message: expect.stringMatching(/version 1 now: endpointPort is 443/) as string,
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

  it('are turned off and on, by kind and channel', async () => {
    expect((await vpn(['notifications'])).out).toMatch(
      /^kind +mail +push +sent when\nwelcome +on +on[^]*payment_failed +always +on/,
    );
    await json('notifications', 'set', 'renewed.mail=off', 'payment_failed.push=off', 'welcome.push=off');
    const chosen = await json<object[]>('notifications', 'set', 'welcome.push=on');
    expect(chosen).toMatchObject([
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
    ['a mail about the account', 'payment_failed.mail=off', /always sent/],
    ['an unknown kind', 'connected.push=on', /no choice/],
    ['an unknown channel', 'renewed.sms=on', /no choice/],
    ['no state', 'renewed.mail', /such as renewed\.mail=off/],
  ])('say what is wrong with %s', async (_, text, words) => {
    const { code, out, told } = await vpn(['notifications', 'set', text]);
    expect([code, out, told]).toEqual([2, '', expect.stringMatching(words)]);
  });

  it('keep what another device has turned off meanwhile', async () => {
    const overtaken = await vpn(['notifications', 'set', 'renewed.mail=off'], {
      fetch: overtakenBy(gatekeeper, { notMailed: ['welcome'] }),
    });
    expect([overtaken.code, overtaken.told]).toEqual([5, expect.stringContaining('notMailed is welcome, was none')]);
    await json('notifications', 'set', 'renewed.mail=off');
    expect((await json<TaggedPreferences>('preferences')).preferences.notMailed).toEqual(['renewed', 'welcome']);
  });
});

describe('vpn account export', () => {
  it('writes everything into a file that only its owner reads', async () => {
    const file = join(home, 'account.json');
    expect(await vpn(['export', '--out', file])).toMatchObject({
      code: 0,
      out: expect.stringContaining(file) as string,
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const exported = JSON.parse(readFileSync(file, 'utf8')) as { tables: Record<string, object[]> };
    expect(exported.tables['User']).toMatchObject([{ email }]);
    // What else is held may change from one export to the next: a mail may be sent in between.
    expect(JSON.parse((await vpn(['export'])).out)).toMatchObject({ tables: { User: exported.tables['User'] } });
  });
});

describe('vpn account signout-everywhere', () => {
  it('ends the sign-in of every device at once', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'vpn-account-test-'));
    await login(elsewhere);
    expect(await vpn([], { home: elsewhere })).toMatchObject({ code: 0 });
    // Firebase keeps the moment to the second: whoever signs in within it stays.
    gatekeeper.clock.advance(2_000);
    expect(await vpn(['signout-everywhere'])).toMatchObject({ code: 0 });
    expect(await vpn([])).toMatchObject({ code: 3, told: 'Nobody is signed in.\nSign in: vpn login' });
    expect(await vpn([], { home: elsewhere })).toMatchObject({
      code: 3,
      told: expect.stringContaining('vpn login') as string,
    });
    rmSync(elsewhere, { recursive: true });
    gatekeeper.clock.advance(1_000);
    await login();
    expect((await json<AuditTrail>('audit')).acts).toMatchObject([{ action: 'account.sign_out_everywhere' }]);
  });
});

describe('vpn account delete', () => {
  it('deletes nothing unless that is confirmed', async () => {
    for (const answers of [[], ['yes'], ['']]) {
      const { code, told } = await vpn(['delete'], { answers });
      expect([code, told]).toEqual([2, 'Nothing was deleted.\nType "delete", or give --yes.']);
    }
    expect(await vpn([])).toMatchObject({ code: 0 });
  });

  it.each([
    ['once that is confirmed', ['delete'], ['delete']],
    ['unasked with --yes', ['delete', '--yes'], []],
  ])('deletes %s, and signs out', async (_, args, answers) => {
    const { uid } = await provisioned();
    const { code, out } = await vpn(args, { answers });
    expect([code, out]).toEqual([0, 'The account is being deleted, and you are signed out.']);
    expect(readdirSync(home)).not.toContain('session.json');
    await expect
      .poll(() => sql('SELECT 1 FROM identity."User" WHERE firebase_uid = $1', [uid]), { timeout: 30_000 })
      .toEqual([]);
  });

  it('asks for a recent sign-in, as a change of the address does', async () => {
    gatekeeper.clock.advance(6 * 60_000);
    for (const args of [
      ['delete', '--yes'],
      ['email', 'ada@example.com'],
    ]) {
      const { code, told } = await vpn(args);
      expect([code, told]).toEqual([3, expect.stringMatching(/within five minutes[^]*vpn login$/)]);
    }
    await login();
    expect(await vpn(['delete', '--yes'])).toMatchObject({ code: 0 });
  });
});

/** Makes the person's row, as the first question does. */
async function provisioned(): Promise<{ uid: string }> {
  expect((await vpn([])).code).toBe(0);
  return JSON.parse(readFileSync(join(home, 'session.json'), 'utf8')) as { uid: string };
}

/** As an app does that gets pushes. @returns its id */
async function addDevice(): Promise<string> {
  const bearer = await bearerOf(gatekeeper, home);
  const { account } = createClient({
    gatekeeperUrl: gatekeeper.service.url,
    anonymizerUrl: 'http://127.0.0.1:1',
    getIdToken: () => bearer.slice('Bearer '.length),
  });
  return account.addDevice({ platform: 'ios', token: `${crypto.randomUUID()}:${crypto.randomUUID()}` });
}
