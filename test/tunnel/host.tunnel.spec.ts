import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { addNamespace, connect, ip } from '../../dev/lab/namespaces.js';
import { commandRunner } from '../../packages/node-agent/src/command.js';
import { ensurePrivateKey } from '../../packages/node-agent/src/daemon/private-files.js';
import { Firewall } from '../../packages/node-agent/src/host/firewall.js';
import { Forwarding } from '../../packages/node-agent/src/host/forwarding.js';
import { Host } from '../../packages/node-agent/src/host/host.js';
import { TunnelInterface } from '../../packages/node-agent/src/host/tunnel-interface.js';
import { WireguardDriver } from '../../packages/node-agent/src/wireguard/wireguard-driver.js';
import { driverPeer } from '../../packages/node-agent/test/peer-driver-contract.js';

/* The host is this process's own machine, which has its own network in the lab. */

const addresses = ['10.64.0.1/16', 'fdb7:4a2c:91e6::1/112'];
const resolvers = ['10.64.0.2', 'fdb7:4a2c:91e6::2'];
const [device, uplink] = ['host0', 'uplink0'];
const run = commandRunner();
let folder: string;

beforeAll(async () => {
  const router = await addNamespace('host-router');
  await connect(
    { of: undefined, device: uplink, addresses: ['198.51.100.2/24', '2001:db8:f::2/64'] },
    { of: router, device: 'eth0', addresses: ['198.51.100.1/24', '2001:db8:f::1/64'] },
  );
});
afterAll(() => ip(undefined, 'link', 'delete', uplink));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vpn-host-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Creates a host as the daemon does at its start. A second one stands for the next run of the daemon. */
async function hostOf(lost: { link?: () => void; firewall?: () => void } = {}): Promise<Host> {
  const { link: onLinkLost = () => {}, firewall: onFirewallLost = () => {} } = lost;
  const privateKeyFile = join(folder, 'private.key');
  const publicKey = await ensurePrivateKey(privateKeyFile);
  const link = { name: device, addresses, mtu: 1420, listenPort: 51_820, privateKeyFile, publicKey };
  const firewall = { interfaceName: device, uplink, addresses, resolvers, blockedNetworks: ['203.0.113.0/24'] };
  const parts = {
    link: new TunnelInterface(run, link, onLinkLost),
    firewall: new Firewall(run, firewall, onFirewallLost),
    forwarding: new Forwarding(uplink, join(folder, 'forwarding.json')),
  };
  return new Host(run, parts, addresses);
}

/** All settings of a host: rules, interfaces, addresses, forwarding. */
async function state(): Promise<string> {
  const rules = await run('nft', ['list', 'ruleset']);
  const links = await run('ip', ['-brief', 'address']);
  const forwarding = await run('sysctl', ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']);
  // The kernel gives each new interface a random link-local address.
  return [rules, links.replaceAll(/fe80::[0-9a-f:]+/g, 'fe80::'), forwarding].join('\n');
}

/** The pid of the lab's process that runs a program for the device. */
async function pidOf(program: string): Promise<number> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.split('\0').includes(device) && command.startsWith(program)) return Number(pid);
  }
  throw new Error(`${program} is not running`);
}

describe('Host', () => {
  it('sets the machine up idempotently, and restores it without touching the rules of other programs', async () => {
    const rule = 'chain forward { type filter hook forward priority 0; policy accept; ip saddr 192.0.2.9 drop; }';
    await run('nft', ['-f', '/dev/stdin'], { input: `table ip others { ${rule}; }` });
    const before = await state();
    const host = await hostOf();
    await host.ensure();
    const up = await state();
    const expected = [...addresses, 'ip_forward = 1', 'forwarding = 1', 'masquerade', 'ip saddr 192.0.2.9 drop'];
    for (const part of expected) expect(up).toContain(part);
    expect(await run('wg', ['show', device, 'listen-port'])).toBe('51820\n');
    await host.ensure();
    expect(await state()).toBe(up);
    await host.remove();
    expect(await state()).toBe(before);
    await run('nft', ['delete', 'table', 'ip', 'others']);
  });

  it('takes over interface and peers after a crash, and then restores the machine', async () => {
    const before = await state();
    await (await hostOf()).ensure();
    const up = await state();
    const peer = driverPeer(1);
    await new WireguardDriver(run, device).apply([peer]);
    const next = await hostOf();
    await next.ensure();
    expect(await state()).toBe(up);
    expect(await new WireguardDriver(run, device).list()).toEqual([peer]);
    await next.remove();
    await vi.waitFor(async () => expect(await state()).toBe(before), 20_000);
  });

  it('repairs flushed rules, disabled forwarding and a killed wireguard-go', async () => {
    const { promise: isLost, resolve: lost } = Promise.withResolvers<undefined>();
    const host = await hostOf({ link: () => lost(undefined) });
    await host.ensure();
    const up = await state();
    await run('nft', ['flush', 'ruleset']);
    await run('sysctl', ['-w', 'net.ipv4.ip_forward=0']);
    await host.ensure();
    expect(await state()).toBe(up);
    process.kill(await pidOf('wireguard-go'), 'SIGKILL');
    await isLost;
    await host.ensure();
    expect(await state()).toBe(up);
    await host.remove();
  });

  it('notices flushed rules at once, and ignores its own replacement of the rules', async () => {
    let losses = 0;
    let flushed = false;
    const { promise: isRepaired, resolve: repaired } = Promise.withResolvers<undefined>();
    const host = await hostOf({
      firewall: () => {
        losses++;
        if (flushed) void host.ensure().then(() => repaired(undefined));
      },
    });
    await host.ensure();
    const up = await state();
    for (let times = 0; times < 5; times++) await host.ensure();
    expect(losses).toBe(0);
    flushed = true;
    await run('nft', ['flush', 'ruleset']);
    await isRepaired;
    expect(await state()).toBe(up);
    await host.remove();
  });

  it('does not take over an interface that is not WireGuard’s', async () => {
    await ip(undefined, 'link', 'add', device, 'type', 'veth', 'peer', 'name', 'other0');
    const host = await hostOf();
    await expect(host.ensure()).rejects.toThrow('is not WireGuard');
    expect(host.up).toBe(false);
    await ip(undefined, 'link', 'delete', device);
    await host.remove();
  });
});
