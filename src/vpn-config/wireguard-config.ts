import { tunnelMtu } from '../nodes/index.js';

/** Keeps the path through a NAT open; wg-quick(8) suggests 25 seconds. */
export const persistentKeepalive = 25;

/** All traffic goes into the tunnel. */
export const allowedIps = ['0.0.0.0/0', '::/0'];

export interface TunnelSettings {
  /** Standard base64. Absent when the client keeps it. */
  readonly privateKey: string | undefined;
  readonly addresses: readonly string[];
  readonly dns: readonly string[];
  readonly serverPublicKey: string;
  readonly presharedKey: string;
  readonly endpoint: string;
}

/** The text that wg-quick(8) and the WireGuard apps read. */
export function wireguardConfig(settings: TunnelSettings): string {
  const { privateKey, addresses, dns, serverPublicKey, presharedKey, endpoint } = settings;
  return [
    '[Interface]',
    privateKey === undefined
      ? '# Insert here: PrivateKey = the private key of the public_key you sent'
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
