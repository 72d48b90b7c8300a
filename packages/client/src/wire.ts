import {
  type ConnectionStatusResponse,
  type LocationsListResponse,
  type SubscriptionReportResponse,
  type VpnConfigRedeemData,
  type VpnConfigRedeemResponse,
} from './api.gen.js';

/*
 * The service's answers as they are on the wire, and their validation. The types are generated from openapi.json. The compiler
 * checks the lists of validated members against these types, so neither can lag behind the service.
 */

/** Which domains the DNS resolvers of the connection block. */
export type DnsBlocking = NonNullable<VpnConfigRedeemData['body']['dns_blocking']>;

/**
 * The configuration of a connection. `wireguard_conf` is wg-quick text, without the private key when the key pair was made on
 * the device. `connection_secret` is the credential of `connectionStatus` and `disconnect`.
 */
export type RedeemedConfig = Readonly<VpnConfigRedeemResponse>;

/** A location to connect to. `load` is rounded to 0, 25, 50, 75 or 100. */
export type Location = Readonly<LocationsListResponse['locations'][number]>;

export type ConnectionStatus = Readonly<ConnectionStatusResponse>;

/** The user's access, and the reason for it. `active`: the service signs tokens for the user now. `plan` is null without access. */
export type Subscription = Readonly<SubscriptionReportResponse>;

/** A token that can be spent once. Plain data that can be stored as JSON. */
export interface VpnToken {
  /** 98 bytes, base64url. */
  readonly token: string;
  /** 256 bytes, base64url. */
  readonly signature: string;
  /** ISO 8601. The end of the key, the same for all tokens of this key. */
  readonly expiresAt: string;
}

export interface RedeemOptions extends Pick<VpnToken, 'token' | 'signature'> {
  /** A location's id. */
  readonly location: string;
  /** A new WireGuard public key of the device, 44 characters. Without it the service makes the pair, and a retry is not safe. */
  readonly publicKey?: string;
  readonly dnsBlocking?: DnsBlocking;
}

type Kind = 'string' | 'number' | 'boolean' | 'strings';

type KindOf<T> = T extends string
  ? 'string'
  : T extends number
    ? 'number'
    : T extends boolean
      ? 'boolean'
      : T extends readonly string[]
        ? 'strings'
        : never;

type IsChecked<T> = [undefined] extends [T]
  ? false
  : [null] extends [T]
    ? false
    : [KindOf<T>] extends [never]
      ? false
      : true;

/** The kinds of the members that an answer must have: of all that are neither optional, nullable nor nested. */
export type Fields<T> = {
  readonly [Name in keyof T as IsChecked<T[Name]> extends true ? Name : never]: KindOf<T[Name]>;
};

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const redeemedConfig: Fields<RedeemedConfig> = {
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
};

const location: Fields<Location> = {
  id: 'string',
  country: 'string',
  city: 'string',
  latitude: 'number',
  longitude: 'number',
  load: 'number',
  available: 'boolean',
};

const connectionStatus: Fields<ConnectionStatus> = {
  connection_id: 'string',
  status: 'string',
  location: 'string',
  expires_at: 'string',
};

const subscription: Fields<Subscription> = { active: 'boolean', state: 'string', reason: 'string' };

export function isRedeemedConfig(value: unknown): value is RedeemedConfig {
  return has(value, redeemedConfig);
}

export function isConnectionStatus(value: unknown): value is ConnectionStatus {
  return has(value, connectionStatus);
}

export function isSubscription(value: unknown): value is Subscription {
  return has(value, subscription);
}

export function isLocations(value: unknown): value is { locations: Location[] } {
  return (
    isRecord(value) && Array.isArray(value['locations']) && value['locations'].every((entry) => has(entry, location))
  );
}

/** Whether the value is an object with these members, each of the right kind. */
export function has(value: unknown, fields: Readonly<Record<string, Kind>>): boolean {
  return isRecord(value) && Object.entries(fields).every(([name, kind]) => isOfKind(value[name], kind));
}

function isOfKind(value: unknown, kind: Kind): boolean {
  if (kind !== 'strings') return typeof value === kind;
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
