import { createPrivateKey, createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { generateWireguardKeyPair, insertPrivateKey, parseWireguardConf, WireguardConfError } from './wireguard.js';

const keyA = `${'A'.repeat(43)}=`;
const keyB = `${'B'.repeat(42)}A=`;
const conf = `# Insert your private key below.
[Interface]
Address = 10.64.1.0/32, fdb7:4a2c:91e6::100/128
DNS = 10.64.0.2, fdb7:4a2c:91e6::2
MTU = 1420

[Peer]
PublicKey = ${keyA}
PresharedKey = ${keyB}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = 192.0.2.1:51820
PersistentKeepalive = 25
`;

describe('generateWireguardKeyPair', () => {
  it('returns a clamped private key and its public key', async () => {
    const { privateKey, publicKey } = await generateWireguardKeyPair();
    const raw = Buffer.from(privateKey, 'base64');
    expect(raw).toHaveLength(32);
    expect([raw.readUInt8(0) & 7, raw.readUInt8(31) & 0xc0]).toEqual([0, 0x40]);

    const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), raw]);
    const derived = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
    expect(Buffer.from(String(derived.export({ format: 'jwk' })['x']), 'base64url').toString('base64')).toBe(publicKey);
  });

  it('returns a new key pair every time', async () => {
    const pairs = await Promise.all([1, 2, 3].map(() => generateWireguardKeyPair()));
    expect(new Set(pairs.map(({ privateKey }) => privateKey)).size).toBe(3);
  });
});

describe('parseWireguardConf and insertPrivateKey', () => {
  it('parse a configuration', () => {
    expect(parseWireguardConf(conf)).toEqual({
      interface: {
        addresses: ['10.64.1.0/32', 'fdb7:4a2c:91e6::100/128'],
        dns: ['10.64.0.2', 'fdb7:4a2c:91e6::2'],
        mtu: 1420,
      },
      peer: {
        publicKey: keyA,
        presharedKey: keyB,
        endpoint: '192.0.2.1:51820',
        allowedIps: ['0.0.0.0/0', '::/0'],
        persistentKeepalive: 25,
      },
    });
  });

  it('insert the private key only once', () => {
    const complete = insertPrivateKey(conf, keyB);
    expect(parseWireguardConf(complete).interface.privateKey).toBe(keyB);
    expect(complete.replace(`PrivateKey = ${keyB}\n`, '')).toBe(conf);
    expect(() => insertPrivateKey(complete, keyB)).toThrow(WireguardConfError);
    expect(() => insertPrivateKey(conf, 'x\nPostUp = reboot')).toThrow(WireguardConfError);
  });

  it.each([
    ['a command', conf.replace('MTU = 1420', 'PostUp = reboot')],
    ['a command in the peer', `${conf}PreDown = reboot\n`],
    ['a command in lower case', conf.replace('MTU = 1420', 'postup=reboot')],
    ['a second peer', `${conf}[Peer]\nPublicKey = ${keyB}\n`],
    ['an unknown section', `[Interface2]\n${conf}`],
    ['a setting outside a section', `MTU = 1420\n${conf}`],
    ['the name of an object’s built-in property', conf.replace('MTU = 1420', 'constructor = 1')],
    ['no address', conf.replace(/^Address.*$/m, '')],
    ['no endpoint', conf.replace(/^Endpoint.*$/m, '')],
    ['a broken key', conf.replace(keyA, keyA.slice(1))],
    ['shell in a value', conf.replace('10.64.0.2,', '$(reboot),')],
    ['two MTUs', conf.replace('MTU = 1420', 'MTU = 1420\nMTU = 1280')],
  ])('refuse a configuration with %s', (_, text) => {
    expect(() => parseWireguardConf(text)).toThrow(WireguardConfError);
  });
});
