import { tunnelMtu } from '../nodes/index.js';

/** Seconds. Keeps the NAT mapping open; wg-quick(8) suggests 25. */
export const persistentKeepalive = 25;

/** Routes all traffic into the tunnel. */
export const allowedIps = ['0.0.0.0/0', '::/0'];

export interface TunnelSettings {
  /** Standard base64. Undefined when the client generated the pair. */
  readonly privateKey: string | undefined;
  readonly addresses: readonly string[];
  readonly dns: readonly string[];
  readonly serverPublicKey: string;
  readonly presharedKey: string;
  readonly endpoint: string;
}

/** The configuration file for wg-quick(8) and the WireGuard apps. */
export function wireguardConfig(settings: TunnelSettings): string {
  const { privateKey, addresses, dns, serverPublicKey, presharedKey, endpoint } = settings;
  return [
    '[Interface]',
    privateKey === undefined
      ? '# Replace this line with: PrivateKey = <the private key of the public_key you sent>'
      : `PrivateKey = ${privateKey}`,
    `Address = ${addresses.join(', ')}`,
    `DNS = ${dns.join(', ')}`,
    `MTU = ${tunnelMtu}`,
    '',
    '[Peer]',
    `PublicKey = ${serverPublicKey}`,
    `PresharedKey = ${presharedKey}`,
    `Endpoint = ${endpoint}`,
    `AllowedIPs = ${allowedIps.join(', ')}`,
    `PersistentKeepalive = ${persistentKeepalive}`,
    '',
  ].join('\n');
}

/** @param ip without brackets, of either family */
export function endpointText(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
