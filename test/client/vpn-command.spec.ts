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
  /** The programs that the command ran, such as wg-quick. */
  readonly programs: string[];
}

interface Options {
  /** The user's answers to the command's questions, in order. */
  readonly answers?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly wgQuick?: 'fails' | 'is missing' | 'kills';
  readonly fetch?: typeof globalThis.fetch;
}

/** The network interfaces of the fake machine, which the fake wg-quick brings up and takes down. */
const interfaces = new Set<string>();

async function vpn(args: readonly string[], { answers = [], env, wgQuick, fetch }: Options = {}): Promise<RanPrograms> {
  const programs: string[] = [];
  // The command uses the machine's clock. A service whose clock is behind would have no key for the command's day.
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

/** Signs in, starts a trial and fetches tokens. */
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
  it('signs in by password, remembers the service, and stores files that only their owner can read', async () => {
    const { email, password } = await signUpHere();
    const ran = await vpn(['login'], { answers: [email, password] });
    expect(ran).toMatchObject({ code: 0, out: `Signed in as ${email}.\nNext: vpn trial or vpn connect` });
    const unset = { VPN_GATEKEEPER_URL: '', VPN_ANONYMIZER_URL: '', VPN_FIREBASE_API_KEY: '', VPN_FIREBASE_URL: '' };
    const trial = await vpn(['trial'], { env: unset });
    expect(trial).toMatchObject({ code: 0, out: expect.stringMatching(/6 tokens/) as string });

    const files = filesIn(home);
    expect(files.length).toBeGreaterThanOrEqual(3);
    for (const file of files) expect([file, statSync(file).mode & 0o777]).toEqual([file, 0o600]);
    expect(files.map((file) => readFileSync(file, 'utf8')).join()).not.toContain(password);
  });

  it('accepts a pasted ID token', async () => {
    const user = await world.gatekeeper.signInWithTrial();
    const ran = await vpn(['login', '--id-token'], { answers: [`  ${idTokenOf(user)}\n`] });
    expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(/Added 6 tokens to the wallet/) as string });
  });

  it.each([
    ['a wrong password', ['login', '--email', 'unknown@example.com'], ['wrong password'], 3, /password is wrong/],
    ['no password', ['login', '--email', 'unknown@example.com'], [''], 2, /Enter an e-mail address and a password/],
    ['an invalid token', ['login', '--id-token'], ['abc'], 2, /not a Firebase ID token/],
  ])('explains why it refuses %s', async (_, args, answers, code, text) => {
    const ran = await vpn(args, { answers });
    expect([ran.code, ran.out]).toEqual([code, '']);
    expect(ran.messages).toMatch(text);
    expect(filesIn(home)).toEqual([]);
  });

  it('names the missing settings and the options that set them', async () => {
    const ran = await vpn(['locations'], { env: { VPN_GATEKEEPER_URL: '', VPN_FIREBASE_API_KEY: '' } });
    expect(ran.code).toBe(2);
    expect(ran.messages).toContain('Missing settings: VPN_GATEKEEPER_URL, VPN_FIREBASE_API_KEY.');
    expect(ran.messages).toContain('vpn login --gatekeeper');
  });

  it('is undone by vpn logout, which keeps the wallet', async () => {
    await loginWithTrial();
    expect(await vpn(['logout'])).toMatchObject({ code: 0 });
    const trial = await vpn(['trial']);
    expect([trial.code, trial.messages]).toEqual([3, 'You are not signed in.\nSign in: vpn login']);
    expect(await json('wallet')).toMatchObject({ tokens: 6 });
  });
});

describe('vpn trial', () => {
  it('mails a verification link if necessary, and starts the trial once the address is verified', async () => {
    const { url } = world.gatekeeper.firebase;
    const [email, password] = [`${crypto.randomUUID()}@example.com`, 'correct horse battery'];
    await fetch(`${url}/identitytoolkit.googleapis.com/v1/accounts:signUp?key=any`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password, returnSecureToken: true }),
    });
    await vpn(['login', '--email', email], { answers: [password] });
    const refused = await vpn(['trial']);
    expect([refused.code, refused.out, refused.messages]).toEqual([
      4,
      '',
      expect.stringMatching(/link was mailed[^]*vpn trial$/),
    ]);

    const mail = await fetch(`${url}/emulator/v1/projects/demo-vpn/oobCodes`);
    const { oobCodes } = (await mail.json()) as { oobCodes: { email: string; oobLink: string }[] };
    const links = oobCodes.filter((each) => each.email === email).map(({ oobLink }) => oobLink);
    expect(links).toHaveLength(1);
    expect((await fetch(links[0] ?? '')).status).toBe(200);
    expect(await vpn(['trial'])).toMatchObject({ code: 0, out: expect.stringMatching(/6 tokens/) as string });
  });
});

describe('vpn connect', () => {
  it('prints a configuration for WireGuard', async () => {
    await loginWithTrial();
    const { code, out, messages } = await vpn(['connect', 'frankfurt']);
    expect([code, messages]).toEqual([0, expect.stringMatching(/^Connected to de-frankfurt until /)]);
    expect(parseWireguardConf(out).interface.privateKey).toHaveLength(44);
  });

  it('writes the configuration to a file that only its owner can read', async () => {
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

  it('brings up a tunnel, replaces it without a gap, and takes it down', async () => {
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

  it('ends the new connection when its tunnel does not come up', async () => {
    await loginWithTrial();
    const ran = await vpn(['connect', '--up'], { wgQuick: 'is missing' });
    expect(ran.code).toBe(1);
    expect(ran.messages).toContain('Install wireguard-tools');
    expect(await json('status')).toEqual([]);
    expect(filesIn(join(home, 'tunnels'))).toEqual([]);
  });

  it('succeeds when the previous connection cannot be ended', async () => {
    await loginWithTrial();
    const { id } = JSON.parse((await vpn(['connect', '--up', '--json'])).out) as { id: string };
    const next = await vpn(['connect', '--up'], {
      fetch: (input, init) =>
        init?.method === 'DELETE' ? Promise.reject(new TypeError('no answer')) : fetch(input, init),
    });
    expect(next).toMatchObject({
      code: 0,
      messages: expect.stringContaining(`vpn disconnect ${id.slice(0, 8)}`) as string,
    });
    expect([...interfaces]).toEqual(['vpn1']);
    expect(await vpn(['disconnect', id])).toMatchObject({ code: 0, programs: [] });
  });

  it('remembers the tunnel of a killed process, and takes it down with the next one', async () => {
    await loginWithTrial();
    const killed = await vpn(['connect', '--up'], { wgQuick: 'kills' });
    expect([killed.code, [...interfaces]]).toEqual([1, ['vpn0']]);
    expect(await json('status')).toMatchObject([{ status: 'active', tunnelConf: join(home, 'tunnels/vpn0.conf') }]);
    expect(await vpn(['connect', '--up'])).toMatchObject({ code: 0 });
    expect([...interfaces]).toEqual(['vpn1']);
    expect(await json('status')).toMatchObject([{ tunnelConf: join(home, 'tunnels/vpn1.conf') }]);
  });

  it('removes the record of a tunnel that ended in a reboot', async () => {
    await loginWithTrial();
    await vpn(['connect', '--up']);
    interfaces.clear();
    expect((await json<object[]>('status'))[0]).not.toHaveProperty('tunnelConf');
    expect(await vpn(['disconnect'])).toMatchObject({ code: 0, programs: [] });
    expect(filesIn(join(home, 'tunnels'))).toEqual([]);
  });

  it('warns when tokens are fetched out of turn', async () => {
    await loginWithTrial();
    rmSync(join(home, 'wallets'), { recursive: true });
    const { code, messages } = await vpn(['connect']);
    expect(code).toBe(0);
    expect(messages).toContain('vpn wallet prefetch');
  });

  it.each([
    ['an unknown location', ['connect', 'Atlantis'], 6, /Available locations: .*de-frankfurt/],
    ['two outputs', ['connect', '--qr', '--up'], 2, /cannot be used with/],
    ['an unknown level of DNS blocking', ['connect', '--dns-blocking', 'all'], 2, /ads_trackers_malware/],
    ['an unknown command', ['konnect'], 2, /connect/],
  ])('explains why it refuses %s', async (_, args, code, text) => {
    await loginWithTrial();
    const ran = await vpn(args);
    expect(ran.code).toBe(code);
    expect(ran.messages).toMatch(text);
  });

  it('reports errors to programs as JSON and exit code', async () => {
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
  it('fails when it cannot take down the tunnel, and can be run again', async () => {
    await loginWithTrial();
    await vpn(['connect', '--up']);
    const failed = await vpn(['disconnect'], { wgQuick: 'fails' });
    expect([failed.code, failed.out, failed.messages]).toEqual([
      1,
      '',
      expect.stringMatching(/could not take down .* vpn0/),
    ]);
    expect(await json('status')).toMatchObject([{ status: 'active', tunnelConf: join(home, 'tunnels/vpn0.conf') }]);
    expect(await vpn(['disconnect'])).toMatchObject({ code: 0, out: 'Disconnected.' });
    expect(filesIn(join(home, 'tunnels'))).toEqual([]);
  });

  it('lists the connections when there are several, and accepts the beginning of an id', async () => {
    await loginWithTrial();
    const ids = [await json<{ id: string }>('connect'), await json<{ id: string }>('connect')].map(({ id }) => id);
    const several = await vpn(['disconnect']);
    expect([several.code, several.messages]).toEqual([2, expect.stringContaining(ids[0]!.slice(0, 8))]);
    expect(await json('disconnect', ids[0]!.slice(0, 13))).toEqual([{ id: ids[0] }]);
    expect(await json('status')).toMatchObject([{ id: ids[1] }]);
    expect((await vpn(['disconnect', 'nothing'])).code).toBe(2);
    expect(await json('disconnect', '--all')).toEqual([{ id: ids[1] }]);
  });
});

describe('vpn wallet', () => {
  it('uses one wallet for each account at each service', async () => {
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

  it('shows the number of tokens, and prefetches tokens when they are due', async () => {
    await loginWithTrial();
    expect((await vpn(['wallet'])).out).toMatch(/^6 tokens available, valid until .*\nNew tokens are due at /);
    expect(await json('wallet', 'prefetch')).toMatchObject({ prefetched: 0, tokens: 6 });
    expect((await vpn(['wallet', 'prefetch'])).out).toBe('No tokens are due. The wallet has 6.');
  });
});

describe('vpn locations', () => {
  it('lists the locations', async () => {
    const { out } = await vpn(['locations']);
    expect(out).toMatch(/^location +city +country +load\nde-frankfurt +Frankfurt +Germany +\d+ %/);
    expect((await json<{ id: string }[]>('locations')).map(({ id }) => id)).toEqual([
      'de-frankfurt',
      'nl-amsterdam',
      'se-stockholm',
    ]);
  });
});
