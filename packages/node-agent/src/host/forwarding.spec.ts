import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Forwarding } from './forwarding.js';

const v4 = 'net/ipv4/ip_forward';
const v6 = 'net/ipv6/conf/all/forwarding';
const off = 'net/ipv6/conf/all/disable_ipv6';
const advertisements = 'net/ipv6/conf/eth0/accept_ra';

let root: string;
const write = async (name: string, value: string) => {
  await mkdir(dirname(join(root, name)), { recursive: true });
  await writeFile(join(root, name), `${value}\n`);
};
const read = async (...names: string[]) =>
  Promise.all(names.map(async (name) => (await readFile(join(root, name), 'utf8')).trim()));
const forwarding = () => new Forwarding('eth0', join(root, 'former.json'), root);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vpn-node-'));
  for (const [name, value] of [
    [v4, '0'],
    [v6, '0'],
    [off, '0'],
    [advertisements, '1'],
  ] as const)
    await write(name, value);
});
afterEach(() => rm(root, { recursive: true }));

describe('Forwarding', () => {
  it('enables forwarding, keeps the uplink’s route, and restores the former values', async () => {
    await forwarding().ensure();
    expect(await read(v4, v6, advertisements)).toEqual(['1', '1', '2']);
    await forwarding().restore();
    expect(await read(v4, v6, advertisements)).toEqual(['0', '0', '1']);
  });

  it('restores the values from before the first run, when runs were killed', async () => {
    await forwarding().ensure();
    await write(v4, '0');
    await forwarding().ensure();
    await forwarding().restore();
    expect(await read(v4, v6, advertisements)).toEqual(['0', '0', '1']);
  });

  it('does not restore values from before a reboot', async () => {
    await write('kernel/random/boot_id', 'first');
    await forwarding().ensure();
    await write('kernel/random/boot_id', 'second');
    await forwarding().restore();
    expect(await read(v4, v6, advertisements)).toEqual(['1', '1', '2']);
  });

  it('leaves forwarding on when it was on before', async () => {
    await write(v4, '1');
    await write(v6, '1');
    await write(advertisements, '0');
    await forwarding().ensure();
    await forwarding().restore();
    expect(await read(v4, v6, advertisements)).toEqual(['1', '1', '0']);
  });

  it('does not touch IPv6 settings when IPv6 is disabled', async () => {
    await write(off, '1');
    await forwarding().ensure();
    expect(await read(v4, v6, advertisements)).toEqual(['1', '0', '1']);
  });
});
