import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseWireguardConf } from '@vpn-backend/client';
import { type ClientWorld, idTokenOf, signUp, startClientWorld } from '../support/client-world.js';
import { type Ran, runVpnCommand } from '../support/vpn-command.js';

let world: ClientWorld;
let home: string;

beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world.stop());
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'vpn-command-test-'));
  interfaces.clear();
});
afterEach(() => rmSync(home, { recursive: true }));

interface RanPrograms extends Ran {
  /** Programs that were run, wg-quick above all. */
  readonly programs: string[];
}

interface Given {
  /** What is typed, in turn. */
  readonly answers?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly wgQuick?: 'fails' | 'is missing' | 'kills';
  readonly fetch?: typeof globalThis.fetch;
}

/** Of this machine, as wg-quick brings them up and takes them down. */
const interfaces = new Set<string>();

async function vpn(args: readonly string[], { answers = [], env, wgQuick, fetch }: Given = {}): Promise<RanPrograms> {
  const programs: string[] = [];
  // The command goes by the machine's clock. Services that stay behind it have no key yet for the day it believes in.
  world.gatekeeper.clock.set(new Date());
  const ran = await runVpnCommand(args, {
    home,
    gatekeeperUrl: world.gatekeeper.service.url,
    anonymizerUrl: world.anonymizer.url,
    firebaseUrl: world.gatekeeper.firebase.url,
    answers,
    env,
    machine: {
      run: async (program, programArgs) => {
        programs.push([program, ...programArgs].join(' ').replaceAll(home, '~'));
        if (wgQuick === 'is missing') return 127;
        if (wgQuick === 'fails') return 1;
        const [verb, conf = ''] = programArgs.slice(-2);
        const name = basename(conf, '.conf');
        if (verb === 'up') interfaces.add(name);
        else interfaces.delete(name);
        if (wgQuick === 'kills') throw new Error('killed');
        return 0;
      },
      hasInterface: (name) => interfaces.has(name),
    },
    fetch,
  });
  return { ...ran, programs };
}

const json = async <T>(...args: string[]): Promise<T> => JSON.parse((await vpn([...args, '--json'])).out) as T;

const signUpHere = () => signUp(world.gatekeeper.firebase.url);

/** Signed in, on trial, with tokens. */
async function loginWithTrial(): Promise<string> {
  const { email, password } = await signUpHere();
  expect(await vpn(['login', '--email', email], { answers: [password] })).toMatchObject({ code: 0 });
  expect(await vpn(['trial'])).toMatchObject({ code: 0 });
  return email;
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('vpn login', () => {
  it('signs in by password, remembers the service, and keeps all of it from others', async () => {
    const { email, password } = await signUpHere();
    const ran = await vpn(['login'], { answers: [email, password] });
    expect(ran).toMatchObject({ code: 0, out: `Signed in as ${email}.\nNext: vpn trial, or vpn connect` });
    const nowhere = { VPN_GATEKEEPER_URL: '', VPN_ANONYMIZER_URL: '', VPN_FIREBASE_API_KEY: '', VPN_FIREBASE_URL: '' };
    const trial = await vpn(['trial'], { env: nowhere });
    expect(trial).toMatchObject({ code: 0, out: expect.stringMatching(/6 tokens/) as string });

    const files = filesIn(home);
    expect(files.length).toBeGreaterThanOrEqual(3);
    for (const file of files) expect([file, statSync(file).mode & 0o777]).toEqual([file, 0o600]);
    expect(files.map((file) => readFileSync(file, 'utf8')).join()).not.toContain(password);
  });

  it('takes a pasted ID token', async () => {
    const person = await world.gatekeeper.signInWithTrial();
    const ran = await vpn(['login', '--id-token'], { answers: [`  ${idTokenOf(person)}\n`] });
    expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(/The wallet got 6 tokens/) as string });
  });

  it.each([
    ['a wrong password', ['login', '--email', 'nobody@example.com'], ['wrong password'], 3, /password is wrong/],
    ['no password', ['login', '--email', 'nobody@example.com'], [''], 2, /password are needed/],
    ['what is no token', ['login', '--id-token'], ['abc'], 2, /not a Firebase ID token/],
  ])('says what is wrong with %s', async (_, args, answers, code, words) => {
    const ran = await vpn(args, { answers });
    expect([ran.code, ran.out]).toEqual([code, '']);
    expect(ran.told).toMatch(words);
    expect(filesIn(home)).toEqual([]);
  });

  it('says which settings are missing, and how to give them', async () => {
    const ran = await vpn(['locations'], { env: { VPN_GATEKEEPER_URL: '', VPN_FIREBASE_API_KEY: '' } });
    expect(ran.code).toBe(2);
    expect(ran.told).toContain('VPN_GATEKEEPER_URL, VPN_FIREBASE_API_KEY missing');
    expect(ran.told).toContain('vpn login --gatekeeper');
  });

  it('is undone by vpn logout; the wallet stays', async () => {
    await loginWithTrial();
    expect(await vpn(['logout'])).toMatchObject({ code: 0 });
    const trial = await vpn(['trial']);
    expect([trial.code, trial.told]).toEqual([3, 'Nobody is signed in.\nSign in: vpn login']);
    expect(await json('wallet')).toMatchObject({ tokens: 6 });
  });
});

describe('vpn trial', () => {
  it('mails the proof of the address that it needs, and starts once that was given', async () => {
    const { url } = world.gatekeeper.firebase;
    const [email, password] = [`${crypto.randomUUID()}@example.com`, 'correct horse battery'];
    await fetch(`${url}/identitytoolkit.googleapis.com/v1/accounts:signUp?key=any`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password, returnSecureToken: true }),
    });
    await vpn(['login', '--email', email], { answers: [password] });
    const asked = await vpn(['trial']);
    expect([asked.code, asked.out, asked.told]).toEqual([4, '', expect.stringMatching(/has been sent[^]*vpn trial$/)]);

    const mail = await fetch(`${url}/emulator/v1/projects/demo-vpn/oobCodes`);
    const { oobCodes } = (await mail.json()) as { oobCodes: { email: string; oobLink: string }[] };
    const links = oobCodes.filter((each) => each.email === email).map(({ oobLink }) => oobLink);
    expect(links).toHaveLength(1);
    expect((await fetch(links[0] ?? '')).status).toBe(200);
    expect(await vpn(['trial'])).toMatchObject({ code: 0, out: expect.stringMatching(/6 tokens/) as string });
  });
});

describe('vpn connect', () => {
  it('prints a configuration that WireGuard reads', async () => {
    await loginWithTrial();
    const { code, out, told } = await vpn(['connect', 'frankfurt']);
    expect([code, told]).toEqual([0, expect.stringMatching(/^Connected by de-frankfurt until /)]);
    expect(parseWireguardConf(out).interface.privateKey).toHaveLength(44);
  });

  it('writes it into a file that only its owner reads', async () => {
    await loginWithTrial();
    const conf = join(home, 'wg0.conf');
    expect(await vpn(['connect', '--conf', conf])).toMatchObject({ code: 0 });
    expect(statSync(conf).mode & 0o777).toBe(0o600);
    expect(parseWireguardConf(readFileSync(conf, 'utf8')).peer.allowedIps).toEqual(['0.0.0.0/0', '::/0']);
  });

  it('shows a QR code', async () => {
    await loginWithTrial();
    const { code, out } = await vpn(['connect', '--qr']);
    expect([code, out.split('\n').filter((line) => line.includes('█')).length]).toEqual([0, expect.any(Number)]);
    expect(out).toMatch(/█.*\n/);
  });

  it('brings a tunnel up, replaces it without a gap, and takes it down', async () => {
    await loginWithTrial();
    const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
    const first = await vpn(['connect', 'Frankfurt', '--up', '--json']);
    expect(first.programs).toEqual([`${sudo}wg-quick up ~/tunnels/vpn0.conf`]);
    const second = await vpn(['connect', 'Amsterdam', '--up', '--json']);
    expect(second.programs).toEqual([
      `${sudo}wg-quick up ~/tunnels/vpn1.conf`,
      `${sudo}wg-quick down ~/tunnels/vpn0.conf`,
    ]);
    expect(await json('status')).toMatchObject([
      {
        id: (JSON.parse(second.out) as { id: string }).id,
        status: 'active',
        tunnelConf: join(home, 'tunnels/vpn1.conf'),
      },
    ]);
    const down = await vpn(['disconnect']);
    expect(down).toMatchObject({
      code: 0,
      out: 'Disconnected.',
      programs: [`${sudo}wg-quick down ~/tunnels/vpn1.conf`],
    });
    expect(filesIn(join(home, 'tunnels'))).toEqual([]);
    expect((await vpn(['status'])).out).toBe('Not connected.');
  });

  it('ends the connection again when the tunnel does not come up', async () => {
    await loginWithTrial();
    const ran = await vpn(['connect', '--up'], { wgQuick: 'is missing' });
    expect(ran.code).toBe(1);
    expect(ran.told).toContain('Install wireguard-tools');
    expect(await json('status')).toEqual([]);
    expect(filesIn(join(home, 'tunnels'))).toEqual([]);
  });

  it('is connected also when the connection before cannot be ended', async () => {
    await loginWithTrial();
    const { id } = JSON.parse((await vpn(['connect', '--up', '--json'])).out) as { id: string };
    const next = await vpn(['connect', '--up'], {
      fetch: (input, init) =>
        init?.method === 'DELETE' ? Promise.reject(new TypeError('no answer')) : fetch(input, init),
    });
    expect(next).toMatchObject({
      code: 0,
      told: expect.stringContaining(`vpn disconnect ${id.slice(0, 8)}`) as string,
    });
    expect([...interfaces]).toEqual(['vpn1']);
    expect(await vpn(['disconnect', id])).toMatchObject({ code: 0, programs: [] });
  });

  it('knows the tunnel that was up when it was killed, and takes it down with the next', async () => {
    await loginWithTrial();
    const killed = await vpn(['connect', '--up'], { wgQuick: 'kills' });
    expect([killed.code, [...interfaces]]).toEqual([1, ['vpn0']]);
    expect(await json('status')).toMatchObject([{ status: 'active', tunnelConf: join(home, 'tunnels/vpn0.conf') }]);
    expect(await vpn(['connect', '--up'])).toMatchObject({ code: 0 });
    expect([...interfaces]).toEqual(['vpn1']);
    expect(await json('status')).toMatchObject([{ tunnelConf: join(home, 'tunnels/vpn1.conf') }]);
  });

  it('forgets a tunnel that a reboot has ended', async () => {
    await loginWithTrial();
    await vpn(['connect', '--up']);
    interfaces.clear();
    expect((await json<object[]>('status'))[0]).not.toHaveProperty('tunnelConf');
    expect(await vpn(['disconnect'])).toMatchObject({ code: 0, programs: [] });
    expect(filesIn(join(home, 'tunnels'))).toEqual([]);
  });

  it('says that tokens were fetched out of turn', async () => {
    await loginWithTrial();
    rmSync(join(home, 'wallets'), { recursive: true });
    const { code, told } = await vpn(['connect']);
    expect(code).toBe(0);
    expect(told).toContain('vpn wallet draw');
  });

  it.each([
    ['an unknown location', ['connect', 'Atlantis'], 6, /There is: .*de-frankfurt/],
    ['two outputs', ['connect', '--qr', '--up'], 2, /cannot be used with/],
    ['an unknown blocking', ['connect', '--dns-blocking', 'all'], 2, /ads_trackers_malware/],
    ['an unknown command', ['konnect'], 2, /connect/],
  ])('says what is wrong with %s', async (_, args, code, words) => {
    await loginWithTrial();
    const ran = await vpn(args);
    expect(ran.code).toBe(code);
    expect(ran.told).toMatch(words);
  });

  it('tells programs by JSON and exit code what to do', async () => {
    const { email, password } = await signUpHere();
    await vpn(['login', '--email', email], { answers: [password] });
    const ran = await vpn(['connect', '--json']);
    expect([ran.code, JSON.parse(ran.out)]).toMatchObject([
      4,
      { error: { code: 'subscription_inactive', next: expect.stringContaining('vpn trial') as string } },
    ]);
    const away = await vpn(['locations', '--json'], { env: { VPN_ANONYMIZER_URL: 'http://127.0.0.1:1' } });
    expect([away.code, JSON.parse(away.out)]).toMatchObject([5, { error: { code: 'unreachable' } }]);
  });
});

describe('vpn disconnect', () => {
  it('leaves what it cannot take down, says so, and can be called again', async () => {
    await loginWithTrial();
    await vpn(['connect', '--up']);
    const failed = await vpn(['disconnect'], { wgQuick: 'fails' });
    expect([failed.code, failed.out, failed.told]).toEqual([
      1,
      '',
      expect.stringMatching(/could not take .* vpn0 down/),
    ]);
    expect(await json('status')).toMatchObject([{ status: 'active', tunnelConf: join(home, 'tunnels/vpn0.conf') }]);
    expect(await vpn(['disconnect'])).toMatchObject({ code: 0, out: 'Disconnected.' });
    expect(filesIn(join(home, 'tunnels'))).toEqual([]);
  });

  it('asks which of several, and takes the beginning of an id', async () => {
    await loginWithTrial();
    const ids = [await json<{ id: string }>('connect'), await json<{ id: string }>('connect')].map(({ id }) => id);
    const several = await vpn(['disconnect']);
    expect([several.code, several.told]).toEqual([2, expect.stringContaining(ids[0]!.slice(0, 8))]);
    expect(await json('disconnect', ids[0]!.slice(0, 13))).toEqual([{ id: ids[0] }]);
    expect(await json('status')).toMatchObject([{ id: ids[1] }]);
    expect((await vpn(['disconnect', 'nothing'])).code).toBe(2);
    expect(await json('disconnect', '--all')).toEqual([{ id: ids[1] }]);
  });
});

describe('vpn wallet', () => {
  it('is one for each account at each service', async () => {
    const first = await loginWithTrial();
    const { email, password } = await signUpHere();
    await vpn(['login', '--email', email], { answers: [password] });
    expect(await json('wallet')).toMatchObject({ tokens: 0 });
    expect((await vpn(['connect'])).code).toBe(4);
    await vpn(['login', '--email', first], { answers: ['correct horse battery'] });
    expect(await json('wallet')).toMatchObject({ tokens: 6 });
    const elsewhere = { VPN_ANONYMIZER_URL: 'https://vpn.example.com' };
    expect((await vpn(['wallet'], { env: elsewhere })).out).toMatch(/^0 tokens/);
  });

  it('counts, and draws when it is due', async () => {
    await loginWithTrial();
    expect((await vpn(['wallet'])).out).toMatch(/^6 tokens to spend, good until .*\nThe next are drawn at /);
    expect(await json('wallet', 'draw')).toMatchObject({ drawn: 0, tokens: 6 });
    expect((await vpn(['wallet', 'draw'])).out).toBe('Nothing is due; there are 6.');
  });
});

describe('vpn locations', () => {
  it('lists them', async () => {
    const { out } = await vpn(['locations']);
    expect(out).toMatch(/^location +city +country +load\nde-frankfurt +Frankfurt +Germany +\d+ %/);
    expect((await json<{ id: string }[]>('locations')).map(({ id }) => id)).toEqual([
      'de-frankfurt',
      'nl-amsterdam',
      'se-stockholm',
    ]);
  });
});
