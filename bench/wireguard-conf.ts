/** The wg-quick(8) configuration, as the service writes it for a client that keeps its private key. */
export function wireguardConf(tunnel: {
  readonly addresses: readonly string[];
  readonly dns: readonly string[];
  readonly serverPublicKey: string;
  readonly presharedKey: string;
  readonly endpoint: string;
}): string {
  return `[Interface]
# Replace this line with: PrivateKey = <the private key of the public_key you sent>
Address = ${tunnel.addresses.join(', ')}
DNS = ${tunnel.dns.join(', ')}
MTU = 1420

[Peer]
PublicKey = ${tunnel.serverPublicKey}
PresharedKey = ${tunnel.presharedKey}
Endpoint = ${tunnel.endpoint}
AllowedIPs = 0.0.0.0/0, ::/0
PersistentKeepalive = 25
`;
}
