/*
 * What the service answers, as it is on the wire.
 */

export type DnsBlocking = 'none' | 'ads' | 'ads_trackers_malware';

/** A token that can be spent once. Plain data, to be stored as it is. */
export interface VpnToken {
  /** 98 bytes, base64url. */
  readonly token: string;
  /** 256 bytes, base64url. */
  readonly signature: string;
  /** ISO 8601. The key's end, the same for everybody who holds a token of it. */
  readonly expiresAt: string;
}

export interface RedeemOptions extends Pick<VpnToken, 'token' | 'signature'> {
  /** A location's id. */
  readonly location: string;
  /** The device's fresh WireGuard key, 44 characters. Without it the service makes the pair, and a retry is not safe. */
  readonly publicKey?: string;
  readonly dnsBlocking?: DnsBlocking;
}

export interface RedeemedConfig {
  /** wg-quick text. Lacks the private key when `publicKey` was given: see `insertPrivateKey`. */
  readonly wireguard_conf: string;
  readonly connection_id: string;
  /** For `connectionStatus` and `disconnect`. */
  readonly connection_secret: string;
  readonly expires_at: string;
  readonly location: string;
  readonly endpoint: string;
  readonly endpoint_v6?: string;
  readonly server_public_key: string;
  readonly preshared_key: string;
  readonly public_key: string;
  /** Only when the service made the pair. */
  readonly private_key?: string;
  readonly addresses: string[];
  readonly dns: string[];
  readonly allowed_ips: string[];
  readonly mtu: number;
  readonly persistent_keepalive: number;
}

export interface Location {
  readonly id: string;
  readonly country: string;
  readonly city: string;
  readonly latitude: number;
  readonly longitude: number;
  /** Rounded: 0, 25, 50, 75 or 100. */
  readonly load: number;
  readonly available: boolean;
}

export interface ConnectionStatus {
  readonly connection_id: string;
  readonly status: string;
  readonly location: string;
  readonly expires_at: string;
}

export interface Subscription {
  /** Whether tokens are signed for this person now. */
  readonly active: boolean;
  readonly state: string;
  readonly reason: string;
  /** ISO 8601: when access ends, or ended. */
  readonly until: string | null;
  /** Null without access. */
  readonly plan: { readonly id: string; readonly name: string; readonly dailyTokens: number } | null;
}

type Kind = 'string' | 'number' | 'boolean' | 'strings';

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isRedeemedConfig(value: unknown): value is RedeemedConfig {
  return has(value, {
    wireguard_conf: 'string',
    connection_id: 'string',
    connection_secret: 'string',
    expires_at: 'string',
    location: 'string',
    endpoint: 'string',
    server_public_key: 'string',
    preshared_key: 'string',
    public_key: 'string',
    addresses: 'strings',
    dns: 'strings',
    allowed_ips: 'strings',
    mtu: 'number',
    persistent_keepalive: 'number',
  });
}

export function isConnectionStatus(value: unknown): value is ConnectionStatus {
  return has(value, { connection_id: 'string', status: 'string', location: 'string', expires_at: 'string' });
}

export function isSubscription(value: unknown): value is Subscription {
  return has(value, { active: 'boolean', state: 'string', reason: 'string' });
}

export function isLocations(value: unknown): value is { locations: Location[] } {
  return isRecord(value) && Array.isArray(value['locations']) && value['locations'].every(isLocation);
}

function isLocation(value: unknown): boolean {
  return has(value, {
    id: 'string',
    country: 'string',
    city: 'string',
    latitude: 'number',
    longitude: 'number',
    load: 'number',
    available: 'boolean',
  });
}

function has(value: unknown, fields: Readonly<Record<string, Kind>>): boolean {
  return isRecord(value) && Object.entries(fields).every(([name, kind]) => isOfKind(value[name], kind));
}

function isOfKind(value: unknown, kind: Kind): boolean {
  if (kind !== 'strings') return typeof value === kind;
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
