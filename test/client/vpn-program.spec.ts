import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseWireguardConf } from '@vpn-backend/client';
import { type ClientWorld, signUp, startClientWorld } from '../support/client-world.js';

let world: ClientWorld;
let home: string;

beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world.stop());
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'vpn-program-test-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const signUpHere = () => signUp(world.gatekeeper.firebase.url);

describe('the program vpn', () => {
  /** As it is installed, in a process of its own. @param node which runs it */
  async function runProgram(
    args: readonly string[],
    typed = '',
    node = process.execPath,
  ): Promise<{ code: unknown; out: string; told: string }> {
    const env = {
      VPN_HOME: home,
      VPN_GATEKEEPER_URL: world.gatekeeper.service.url,
      VPN_ANONYMIZER_URL: world.anonymizer.url,
      VPN_FIREBASE_API_KEY: 'any',
      VPN_FIREBASE_URL: world.gatekeeper.firebase.url,
    };
    const command = ['packages/client/dist/cli/main.js', ...args];
    // The program goes by the machine's clock. Services that stay behind it have no key yet for the day it believes in.
    world.gatekeeper.clock.set(new Date());
    return new Promise((resolve) => {
      const child = execFile(node, command, { env }, (error, out, told) =>
        resolve({ code: error?.code ?? 0, out, told }),
      );
      child.stdin?.end(typed);
    });
  }

  it('reads the password from standard input, and ends with the exit code', async () => {
    const { email, password } = await signUpHere();
    const login = await runProgram(['login', '--email', email, '--json'], `${password}\n`);
    expect([login.code, login.told, JSON.parse(login.out)]).toEqual([0, '', { email, tokens: 0 }]);
    const refused = await runProgram(['connect']);
    expect(refused).toMatchObject({ code: 4, out: '', told: expect.stringContaining('vpn trial') as string });
  });

  it('works with the Node that the machine has, which may be older than ours', async () => {
    // npm runs with it; these tests run with the one that is installed beside them.
    const node = process.env['npm_node_execpath'] ?? nodeOfMachine();
    expect(await runProgram(['--help'], '', node)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Usage: vpn/) as string,
    });
    const { email, password } = await signUpHere();
    const ran = [
      await runProgram(['login', '--email', email], password, node),
      await runProgram(['trial'], '', node),
      await runProgram(['connect', '--json'], '', node),
    ];
    expect(ran.map(({ code, told }) => [code, told])).toEqual(ran.map(() => [0, '']));
    const { wireguardConf } = JSON.parse(ran[2]?.out ?? '') as { wireguardConf: string };
    expect(parseWireguardConf(wireguardConf).interface.privateKey).toHaveLength(44);
  });
});

/** The first `node` on the path that is not of this project. */
function nodeOfMachine(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  return folders.map((folder) => join(folder, 'node')).find((path) => existsSync(path)) ?? process.execPath;
}
