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

describe('the vpn program', () => {
  /** Runs the built program in its own process. @param node the path of the Node to use */
  async function runProgram(
    args: readonly string[],
    input = '',
    node = process.execPath,
  ): Promise<{ code: unknown; out: string; messages: string }> {
    const env = {
      VPN_HOME: home,
      VPN_GATEKEEPER_URL: world.gatekeeper.service.url,
      VPN_ANONYMIZER_URL: world.anonymizer.url,
      VPN_FIREBASE_API_KEY: 'any',
      VPN_FIREBASE_URL: world.gatekeeper.firebase.url,
    };
    const command = ['packages/client/dist/cli/main.js', ...args];
    // The program uses the machine's clock. A service whose clock is behind would have no key for the program's day.
    world.gatekeeper.clock.set(new Date());
    return new Promise((resolve) => {
      const child = execFile(node, command, { env }, (error, out, messages) =>
        resolve({ code: error?.code ?? 0, out, messages }),
      );
      child.stdin?.end(input);
    });
  }

  it('reads the password from standard input, and exits with the documented code', async () => {
    const { email, password } = await signUpHere();
    const login = await runProgram(['login', '--email', email, '--json'], `${password}\n`);
    expect([login.code, login.messages, JSON.parse(login.out)]).toEqual([0, '', { email, tokens: 0 }]);
    const refused = await runProgram(['connect']);
    expect(refused).toMatchObject({ code: 4, out: '', messages: expect.stringContaining('vpn trial') as string });
  });

  it('works with the machine’s Node, which may be older than the one of these tests', async () => {
    // npm runs with the machine's Node; these tests run with one that is installed in the project.
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
    expect(ran.map(({ code, messages }) => [code, messages])).toEqual(ran.map(() => [0, '']));
    const { wireguardConf } = JSON.parse(ran[2]?.out ?? '') as { wireguardConf: string };
    expect(parseWireguardConf(wireguardConf).interface.privateKey).toHaveLength(44);
  });
});

/** The first `node` on the PATH outside this project. */
function nodeOfMachine(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  return folders.map((folder) => join(folder, 'node')).find((path) => existsSync(path)) ?? process.execPath;
}
