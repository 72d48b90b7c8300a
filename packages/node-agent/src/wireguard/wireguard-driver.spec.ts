import { describe, expect, it } from 'vitest';
import { type Run } from '../command.js';
import { WireguardDriver } from './wireguard-driver.js';

const own = 'private\tpublic\t51820\toff';
const peer = (key: string, endpoint: string, latestHandshake: number) =>
  [key, 'psk', endpoint, '10.64.1.0/32', latestHandshake, 0, 0, 'off'].join('\t');

/** A fake `wg` on an interface with these peers. It records the commands that change something. */
function wgOf(...peers: string[]) {
  const changes: string[] = [];
  const run: Run = async (program, args) => {
    if (args[0] === 'show') return [own, ...peers, ''].join('\n');
    changes.push([program, ...args].join(' '));
    return '';
  };
  return { driver: new WireguardDriver(run, 'vpn0'), changes };
}

describe('WireguardDriver', () => {
  it('erases the endpoint of a peer that began a handshake and sent no data, three minutes after it was first seen', async () => {
    const { driver, changes } = wgOf(peer('vanished', '192.0.2.9:1234', 0), peer('never-connected', '(none)', 0));
    const firstSeen = Date.now();
    expect(await driver.forgetHandshakesBefore(firstSeen)).toBe(0);
    expect(changes).toEqual([]);
    expect(await driver.forgetHandshakesBefore(Date.now() + 1)).toBe(1);
    expect(changes).toEqual(['wg set vpn0 peer vanished remove', 'wg addconf vpn0 /dev/stdin']);
  });
});
