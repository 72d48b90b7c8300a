import { once } from 'node:events';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { addNamespace, connect, type Namespace } from '../../dev/lab/namespaces.js';
import { WireguardDriver } from '../../packages/node-agent/src/wireguard/wireguard-driver.js';
import { describePeerDriver, driverPeer } from '../../packages/node-agent/test/peer-driver-contract.js';
import { commandsOn } from './commands.js';

let here: Namespace;
let there: Namespace;
let count = 0;

beforeAll(async () => {
  [here, there] = [await addNamespace('driver-here'), await addNamespace('driver-there')];
  await connect(
    { of: here, device: 'eth0', addresses: ['192.0.2.1/24'] },
    { of: there, device: 'eth0', addresses: ['192.0.2.2/24'] },
  );
});

/** Starts an interface with its own key. Its name is unique, because all machines of the lab share /run/wireguard. */
async function openInterface(on: Namespace) {
  const device = `driver${count++}`;
  const child = on.spawn('wireguard-go', ['-f', device], { stdio: 'ignore' });
  const run = commandsOn(on);
  await vi.waitFor(() => run('wg', ['show', device]), { timeout: 10_000, interval: 20 });
  const privateKey = (await run('wg', ['genkey'])).trim();
  await run('wg', ['set', device, 'private-key', '/dev/stdin', 'listen-port', '51820'], { input: privateKey });
  await run('ip', ['link', 'set', device, 'up']);
  const publicKey = (await run('wg', ['pubkey'], { input: privateKey })).trim();
  const close = async () => {
    child.kill();
    await once(child, 'exit');
  };
  return { device, run, publicKey, close };
}

describePeerDriver('WireguardDriver', async () => {
  const { device, run, close } = await openInterface(here);
  return { driver: new WireguardDriver(run, device), close };
});

describe('WireguardDriver', () => {
  it('keeps a peer’s live session when peers change, and erases its endpoint when it is idle', async () => {
    const [node, client] = [await openInterface(here), await openInterface(there)];
    const driver = new WireguardDriver(node.run, node.device);
    const peer = { ...driverPeer(1), publicKey: client.publicKey };
    const [address = ''] = peer.allowedIps;
    await driver.apply([peer]);
    await node.run('ip', ['address', 'add', '10.64.0.1/16', 'dev', node.device]);
    await client.run('ip', ['address', 'add', address, 'dev', client.device]);
    await client.run('ip', ['route', 'add', '10.64.0.1', 'dev', client.device]);
    const server = ['peer', node.publicKey, 'preshared-key', '/dev/stdin', 'endpoint', '192.0.2.1:51820'];
    await client.run('wg', ['set', client.device, ...server, 'allowed-ips', '10.64.0.1/32'], {
      input: peer.presharedKey,
    });
    const ping = () => client.run('ping', ['-c', '1', '-W', '1', '10.64.0.1']);
    /** Endpoint, allowed IPs, latest handshake. */
    const session = async () => {
      const lines = (await node.run('wg', ['show', node.device, 'dump'])).split('\n');
      return lines
        .find((line) => line.startsWith(peer.publicKey))
        ?.split('\t')
        .slice(2, 5);
    };
    await vi.waitFor(ping, { timeout: 10_000 });
    const before = await session();
    expect(before?.[0]).toBe('192.0.2.2:51820');

    await driver.apply([driverPeer(2), peer]);
    await driver.remove([driverPeer(3).publicKey]);
    await ping();
    expect(await driver.forgetHandshakesBefore(Date.now() - 180_000)).toBe(0);
    expect(await session()).toEqual(before);

    expect(await driver.forgetHandshakesBefore(Date.now() + 1_000)).toBe(1);
    expect(await session()).toEqual(['(none)', peer.allowedIps.join(','), '0']);
    expect((await driver.list()).find(({ publicKey }) => publicKey === peer.publicKey)).toEqual(peer);
    await node.close();
    await client.close();
  });
});
