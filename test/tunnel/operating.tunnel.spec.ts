import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandRunner } from '../../packages/node-agent/src/command.js';
import { ensurePrivateKey } from '../../packages/node-agent/src/daemon/private-files.js';

/* The commands that a node's operator runs besides the daemon, on a host that has all that a node needs. */

const run = commandRunner();
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vpn-operating-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Runs `vpn-node-agent --check`. Returns its exit code, and the output lines by their mark. */
async function check(settings: Readonly<Record<string, string>>) {
  const lines = Object.entries(settings).map(([name, value]) => `VPN_NODE_${name}=${value}\n`);
  await writeFile(join(folder, 'node.env'), lines.join(''));
  const args = ['packages/node-agent/dist/main.js', '--check', '--config', join(folder, 'node.env')];
  const { promise, resolve } = Promise.withResolvers<{ code: unknown; output: string }>();
  execFile(process.execPath, args, (error, stdout) => resolve({ code: error?.code ?? 0, output: stdout }));
  const { code, output } = await promise;
  const marked = (mark: string) =>
    output.split('\n').flatMap((line) => (line.startsWith(mark) ? [line.slice(mark.length + 1)] : []));
  return { code, passed: marked('✓'), failed: marked('✗'), warnings: marked('!') };
}

const settings = () => ({
  ALLOW_HTTP: 'true',
  LOCATION_ID: 'de-frankfurt',
  PUBLIC_IP: '203.0.113.7',
  STATE_DIR: folder,
  RUNTIME_DIR: folder,
});

describe('vpn-node-agent --check', () => {
  it('lists all that is missing, and fails (a missing private key passes: the first start creates it)', async () => {
    const wrong = { BACKEND_URL: 'http://127.0.0.1:9', UPLINK: 'nowhere0', DNS_ADS: join(folder, 'ads.txt') };
    const { code, passed, failed } = await check({ ...settings(), ...wrong });
    expect(code).toBe(1);
    expect(failed.map((line) => line.split(':', 1)[0])).toEqual([
      'uplink nowhere0',
      'credential',
      `block list ${join(folder, 'ads.txt')}`,
      'backend http',
    ]);
    expect(passed).toEqual(expect.arrayContaining(['program wg', 'permission to administer the network', 'WireGuard']));
  });

  it('passes on a complete host, and warns of a table that drops forwarded packets', async () => {
    const backend = createServer((_request, response) => response.end('[]')).listen(0, '127.0.0.1');
    await once(backend, 'listening');
    await ensurePrivateKey(join(folder, 'private.key'));
    await copyFile('test/tunnel/block-lists/ads.txt', join(folder, 'ads.txt'));
    const complete = {
      BACKEND_URL: `http://127.0.0.1:${(backend.address() as AddressInfo).port}`,
      ...{ UPLINK: 'lo', ENROLMENT_TOKEN: 'x'.repeat(43), DNS_ADS: join(folder, 'ads.txt') },
    };
    const chain = 'chain forward { type filter hook forward priority 0; policy drop; }';
    await run('nft', ['-f', '/dev/stdin'], { input: `table ip strict { ${chain}; }` });
    try {
      const { code, failed, warnings } = await check({ ...settings(), ...complete });
      expect([code, failed]).toEqual([0, []]);
      expect(warnings).toEqual([expect.stringContaining('strict forward')]);
    } finally {
      await run('nft', ['delete', 'table', 'ip', 'strict']);
      backend.close();
    }
  });
});

describe('the systemd unit', () => {
  it('is valid, and has a low exposure level', async () => {
    const unit = await readFile('deploy/node/vpn-node-agent.service', 'utf8');
    const file = join(folder, 'vpn-node-agent.service');
    // The agent is not installed here, so the unit runs an existing program.
    await writeFile(file, unit.replaceAll('/usr/local/bin/vpn-node-agent', process.execPath));
    expect(await promisify(execFile)('systemd-analyze', ['verify', file])).toEqual({ stdout: '', stderr: '' });
    // Of 100; systemd calls a level below 30 OK.
    await run('systemd-analyze', ['security', '--offline=true', '--threshold=30', file]);
  });
});
