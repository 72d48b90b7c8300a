import { describe, expect, it } from 'vitest';
import { endpointText, type TunnelSettings, wireguardConfig } from './wireguard-config.js';

const settings: TunnelSettings = {
  privateKey: 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=',
  addresses: ['10.64.1.0/32', 'fdb7:4a2c:91e6::100/128'],
  dns: ['10.64.0.2', 'fdb7:4a2c:91e6::2'],
  serverPublicKey: 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=',
  presharedKey: 'FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=',
  endpoint: '203.0.113.7:51820',
};

describe('wireguardConfig', () => {
  it('includes the private key when the server generated it', () => {
    expect(wireguardConfig(settings)).toBe(`[Interface]
PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=
Address = 10.64.1.0/32, fdb7:4a2c:91e6::100/128
DNS = 10.64.0.2, fdb7:4a2c:91e6::2
MTU = 1420

[Peer]
PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
PresharedKey = FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=
Endpoint = 203.0.113.7:51820
AllowedIPs = 0.0.0.0/0, ::/0
PersistentKeepalive = 25
`);
  });

  it('has a comment in place of the private key when the client generated it, and is otherwise the same', () => {
    const withKey = wireguardConfig(settings).split('\n');
    const withoutKey = wireguardConfig({ ...settings, privateKey: undefined }).split('\n');
    expect(withoutKey[1]).toMatch(/^# .*PrivateKey/);
    expect(withoutKey.toSpliced(1, 1)).toEqual(withKey.toSpliced(1, 1));
  });
});

describe('endpointText', () => {
  it('formats an IPv4 endpoint as address:port', () =>
    expect(endpointText('203.0.113.7', 51820)).toBe('203.0.113.7:51820'));

  it('puts an IPv6 address in brackets', () => expect(endpointText('2001:db8::7', 443)).toBe('[2001:db8::7]:443'));
});
