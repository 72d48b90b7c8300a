import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signUp } from '../support/client-world.js';
import { buildWorld, location, type World } from './world.js';

let world: World;
let home: string;
let resolvers: string;
let path: string;

beforeAll(async () => {
  world = await buildWorld();
  await world.nodeOn(world.machines[0]);
  home = await mkdtemp(join(tmpdir(), 'vpn-tunnel-test-'));
  // wg-quick passes the resolvers to the system's resolvconf. This one writes them to a file.
  resolvers = join(home, 'resolvers');
  const resolvconf = join(home, 'resolvconf');
  await writeFile(resolvconf, `#!/bin/sh\n[ "$1" != -a ] || cat > ${resolvers}\n`);
  await chmod(resolvconf, 0o700);
  path = `${home}:${process.env['PATH'] ?? ''}`;
}, 300_000);
afterAll(() => rm(home, { recursive: true }));

/** Runs the built command. @returns its standard output */
function vpn(args: readonly string[], typed = ''): Promise<string> {
  const { firebase, service } = world.stack;
  const env = {
    PATH: path,
    VPN_HOME: home,
    VPN_GATEKEEPER_URL: service.url,
    VPN_ANONYMIZER_URL: service.url,
    VPN_FIREBASE_API_KEY: 'any',
    VPN_FIREBASE_URL: firebase.url,
  };
  return new Promise((resolve, reject) => {
    const command = ['packages/client/dist/cli/main.js', ...args];
    const child = execFile(process.execPath, command, { env }, (error, stdout, stderr) =>
      error ? reject(new Error(stderr, { cause: error })) : resolve(stdout),
    );
    child.stdin?.end(typed);
  });
}

describe('vpn connect --conf', () => {
  it('writes a file that wg-quick accepts, for a tunnel that carries both IP versions', async () => {
    const { devices, device, machines, website, stack } = world;
    const { email, password } = await signUp(stack.firebase.url);
    await vpn(['login', '--email', email], password);
    await vpn(['trial']);
    const conf = join(home, 'vpn-quick.conf');
    await vpn(['connect', location, '--conf', conf]);

    const wgQuick = (verb: string) => devices[0].run('env', `PATH=${path}`, 'wg-quick', verb, conf);
    const seen = async () => [
      await device.fetch(`http://${website.v4}/`, 10_000),
      await device.fetch(`http://[${website.v6}]/`, 10_000),
    ];
    expect(await seen()).toEqual([devices[0].v4, devices[0].v6]);
    await wgQuick('up');
    expect(await seen()).toEqual([machines[0].v4, machines[0].v6]);
    expect(await readFile(resolvers, 'utf8')).toMatch(/^nameserver 10\.64\.0\.\d+$/m);
    await wgQuick('down');
    expect(await seen()).toEqual([devices[0].v4, devices[0].v6]);
    await vpn(['disconnect']);
  });
});
