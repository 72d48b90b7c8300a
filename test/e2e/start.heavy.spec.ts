import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isAlive, type ProcessIdentity, signal, waitForEnd } from '../../dev/services/process-identity.js';
import { endWithThisProcess } from '../../dev/services/reaper.js';
import { freePort } from '../../dev/services/server-process.js';
import { query } from '../support/stack.js';

// `npm start` as a developer runs it: real processes, real ports, and a data folder that outlives them.

// Generous, for busy machines.
const timeout = 300_000;

interface Claim {
  readonly launcher: ProcessIdentity;
  readonly servers: readonly ProcessIdentity[];
}

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

let dataDir: string;
let port: number;
let metricsPort: number;
const running: Started[] = [];

beforeAll(async () => {
  // The folder has mode 0700. When this runs as root, PostgreSQL's own user could not enter it.
  dataDir = mkdtempSync(join(tmpdir(), 'start-'));
  [port, metricsPort] = [await freePort(), await freePort()];
});

afterEach(async () => {
  for (const { child, exit } of running.splice(0)) {
    child.kill('SIGTERM');
    await exit;
  }
}, timeout);

afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

function npmStart(env: Readonly<Record<string, string>>): Started {
  const child = spawn(process.execPath, ['dev/run.mjs', 'start'], {
    env: {
      ...process.env,
      NODE_ENV: '',
      PORT: String(port),
      METRICS_PORT: String(metricsPort),
      DATA_DIR: dataDir,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endWithThisProcess(child.pid, 'SIGTERM');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const started = { child, output: () => output, exit: once(child, 'close').then(([code]) => code as number | null) };
  running.push(started);
  return started;
}

/** Starts the stack, and waits until it is ready. */
async function startReady(env: Readonly<Record<string, string>> = {}): Promise<Started> {
  const started = npmStart(env);
  let code: number | null | undefined;
  void started.exit.then((ended) => (code = ended));
  await expect
    .poll(() => started.output() + (code === undefined ? '' : 'ended'), { timeout, interval: 50 })
    .toMatch(/Ctrl-C stops|ended/);
  expect(started.output()).toContain('Ctrl-C stops everything.');
  return started;
}

const claim = () => JSON.parse(readFileSync(join(dataDir, 'claim.json'), 'utf8')) as Claim;
const ready = async (): Promise<unknown> => (await fetch(`http://127.0.0.1:${port}/health/ready`)).json();
const status = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
const environment = () => readFileSync(join(dataDir, 'service.env'), 'utf8');
const settingOf = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(environment())?.[1] ?? '';

async function expectCleanExit({ exit, output }: Started, servers: readonly ProcessIdentity[]): Promise<void> {
  expect([await exit, output()]).toEqual([0, output()]);
  expect(servers.filter(isAlive)).toEqual([]);
  expect(existsSync(join(dataDir, 'claim.json'))).toBe(false);
  await expect(fetch(`http://127.0.0.1:${port}/health/live`)).rejects.toThrow();
}

describe('npm start', { timeout: 2 * timeout }, () => {
  it('serves, refuses a second stack on its data or ports, and keeps its data when it is killed', async () => {
    const killed = await startReady();
    expect(await ready()).toEqual({ status: 'ready', down: [] });
    expect((await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).status).toBe(200);
    expect(await Promise.all(['/docs', '/subscription', '/vpn/locations'].map(status))).toEqual([200, 401, 200]);
    for (const text of [`${port}/docs`, `${metricsPort}/metrics`, `DATA_DIR=${dataDir} npm run admin`]) {
      expect(killed.output()).toContain(text);
    }

    // The second stack uses the same data. The third uses the same ports and the running stores, so it starts none.
    const elsewhere = join(dataDir, 'elsewhere');
    const databases = ['IDENTITY_DATABASE_URL', 'NETWORK_DATABASE_URL'].map((key) => [key, settingOf(key)]);
    const stores = { ...(Object.fromEntries(databases) as object), REDIS_URL: settingOf('NETWORK_REDIS_URL') };
    const [second, third] = [npmStart({}), npmStart({ ...stores, DATA_DIR: elsewhere })];
    expect([await second.exit, await third.exit]).toEqual([1, 1]);
    expect(second.output()).toMatch(/Another stack .* Stop it, or set DATA_DIR to another folder/);
    expect(third.output()).toMatch(/port \d+ is in use. Set PORT and METRICS_PORT to free ones/);
    expect(second.output() + third.output()).not.toMatch(/^ +at /m);
    expect(readdirSync(elsewhere).filter((name) => /postgres|redis|claim/.test(name))).toEqual([]);

    await query(settingOf('IDENTITY_DATABASE_URL'), `INSERT INTO identity."Plan" VALUES ('kept', 'Kept', 5)`);
    const { launcher, servers } = claim();
    signal(launcher, 'SIGKILL');
    expect(await waitForEnd(launcher, 5_000)).toBe(true);
    // PostgreSQL, Redis and the service.
    expect(servers).toHaveLength(3);
    await expect.poll(() => servers.filter(isAlive), { timeout: 15_000 }).toEqual([]);

    const restarted = await startReady({ SERVICE_ROLE: 'gatekeeper' });
    expect(
      await query(settingOf('IDENTITY_DATABASE_URL'), `SELECT name FROM identity."Plan" WHERE id = 'kept'`),
    ).toEqual([{ name: 'Kept' }]);
    expect(await ready()).toEqual({ status: 'ready', down: [] });
    expect(await Promise.all(['/subscription', '/vpn/locations'].map(status))).toEqual([401, 404]);
    expect(environment()).not.toMatch(/^NETWORK_/m);
    const restartedServers = claim().servers;
    restarted.child.kill('SIGINT');
    await expectCleanExit(restarted, restartedServers);
  });

  it('serves the anonymizer alone, and exits cleanly when it gets two signals', async () => {
    const directory = `http://127.0.0.1:${await freePort()}/.well-known/private-token-issuer-directory`;
    const started = await startReady({ SERVICE_ROLE: 'anonymizer', ISSUER_DIRECTORY_URL: directory });
    expect(await ready()).toEqual({ status: 'degraded', down: ['issuer-directory'] });
    expect(await Promise.all(['/subscription', '/vpn/locations'].map(status))).toEqual([404, 200]);
    expect(environment()).not.toMatch(/^(IDENTITY|ISSUER_KEY|FIREBASE)_/m);
    const { launcher, servers } = claim();
    for (const name of ['SIGHUP', 'SIGINT'] as const) signal(launcher, name);
    await expectCleanExit(started, servers);
  });
});
