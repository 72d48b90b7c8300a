import { describe, expect, it } from 'vitest';
import { parseDump, peerSections } from './dump.js';

const dump = [
  'private\tpublic\t51820\toff',
  'key-1\tpsk-1\t192.0.2.9:1234\t10.64.1.0/32,fdb7::100/128\t1700000000\t5\t6\toff',
  'key-2\t(none)\t(none)\t(none)\t0\t0\t0\toff',
  '',
].join('\n');

describe('parseDump', () => {
  it('returns peers without endpoint or traffic', () => {
    expect(parseDump(dump)).toEqual([
      {
        publicKey: 'key-1',
        presharedKey: 'psk-1',
        allowedIps: ['10.64.1.0/32', 'fdb7::100/128'],
        hasEndpoint: true,
        latestHandshake: 1_700_000_000,
      },
      { publicKey: 'key-2', presharedKey: '(none)', allowedIps: [], hasEndpoint: false, latestHandshake: 0 },
    ]);
    expect(JSON.stringify(parseDump(dump))).not.toMatch(/private|192\.0\.2\.9/);
  });

  it('returns no peers of an interface without peers', () => {
    expect(parseDump('private\tpublic\t51820\toff\n')).toEqual([]);
  });
});

it('peerSections writes peers as wg reads them', () => {
  expect(peerSections(parseDump(dump).slice(0, 1))).toBe(
    '[Peer]\nPublicKey = key-1\nPresharedKey = psk-1\nAllowedIPs = 10.64.1.0/32, fdb7::100/128\n',
  );
});
