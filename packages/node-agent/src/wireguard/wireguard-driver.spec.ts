import { describe, expect, it } from 'vitest';
import { type Run } from '../command.js';
import { WireguardDriver } from './wireguard-driver.js';

const own = 'private\tpublic\t51820\toff';
const peer = (key: string, endpoint: string, latestHandshake: number) =>
  [key, 'psk', endpoint, '10.64.1.0/32', latestHandshake, 0, 0, 'off'].join('\t');

/** `wg` on an interface with these peers; what it was told is kept. */
function wgOf(...peers: string[]) {
  const told: string[] = [];
  const run: Run = async (program, args) => {
    if (args[0] === 'show') return [own, ...peers, ''].join('\n');
    told.push([program, ...args].join(' '));
    return '';
  };
  return { driver: new WireguardDriver(run, 'vpn0'), told };
}

describe('traces', () => {
  it('of a peer that began a handshake and was never heard again go too, three minutes after they were first seen', async () => {
    const { driver, told } = wgOf(peer('vanished', '192.0.2.9:1234', 0), peer('never-heard', '(none)', 0));
    const firstSeen = Date.now();
    expect(await driver.forgetHandshakesBefore(firstSeen)).toBe(0);
    expect(told).toEqual([]);
    expect(await driver.forgetHandshakesBefore(Date.now() + 1)).toBe(1);
    expect(told).toEqual(['wg set vpn0 peer vanished remove', 'wg addconf vpn0 /dev/stdin']);
  });
});
