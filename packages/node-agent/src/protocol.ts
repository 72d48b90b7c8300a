/*
 * Validates what the backend sends, because drivers pass these texts to `wg`.
 */

import { isIP } from 'node:net';

export interface Peer {
  readonly connectionId: string;
  /** Identifies this placement of the connection on a node; acknowledgements repeat it. A higher number is not a later one. */
  readonly revision: number;
  /** Whether the backend still waits for this node's acknowledgement. */
  readonly pending: boolean;
  /** Standard base64, 44 characters; so is `presharedKey`. */
  readonly publicKey: string;
  readonly presharedKey: string;
  /** This peer's tunnel addresses: one /32, one /128. */
  readonly allowedIps: readonly string[];
  readonly dnsBlocking: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

export interface PeerList {
  /** Whether the list contains all peers, so that a peer missing from it has ended. */
  readonly complete: boolean;
  readonly peers: readonly Peer[];
  /** Number of invalid entries. */
  readonly rejected: number;
}

export interface ConnectionRevision {
  readonly connectionId: string;
  readonly revision: number;
}

export type NodeEvent =
  | { readonly type: 'snapshot'; readonly list: PeerList }
  | { readonly type: 'peer-added'; readonly peer: Peer }
  | { readonly type: 'peer-removed'; readonly removed: ConnectionRevision }
  | { readonly type: 'drain' }
  | { readonly type: 'heartbeat' };

/** The settings of the tunnel interface. Every text is safe as an argument of a program. */
export interface Tunnel {
  /** One of each family, with prefix lengths. */
  readonly addresses: readonly string[];
  /** The resolver of each blocking level: one address of each family, without prefix lengths. */
  readonly resolvers: Readonly<Record<BlockingLevel, readonly string[]>>;
  readonly listenPort: number;
  readonly mtu: number;
}

export type BlockingLevel = 'none' | 'ads' | 'ads_trackers_malware';

const wireguardKey = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
const identifier = /^[0-9A-Za-z-]{1,64}$/;

/** @returns undefined for an unknown type or invalid data */
export function parseEvent(type: string | undefined, data: string): NodeEvent | undefined {
  if (type === 'heartbeat' || type === 'drain') return { type };
  const document = parseJson(data);
  if (type === 'snapshot') return mapDefined(parsePeerList(document), (list) => ({ type, list }));
  if (type === 'peer-added') return mapDefined(parsePeer(document), (peer) => ({ type, peer }));
  if (type === 'peer-removed') return mapDefined(parseRevision(document), (removed) => ({ type, removed }));
  return undefined;
}

/** An invalid entry makes the list incomplete, because its peer may still exist. */
export function parsePeerList(document: unknown): PeerList | undefined {
  if (!isRecord(document) || !Array.isArray(document['peers'])) return undefined;
  const peers = document['peers'].map(parsePeer).filter((peer) => peer !== undefined);
  const rejected = document['peers'].length - peers.length;
  return { complete: document['complete'] === true && rejected === 0, peers, rejected };
}

/** @returns undefined unless all settings are valid */
export function parseTunnel(document: unknown): Tunnel | undefined {
  if (!isRecord(document)) return undefined;
  const { addresses, resolvers, listen_port, mtu } = document;
  const isPort = Number.isInteger(listen_port) && Number(listen_port) > 0 && Number(listen_port) < 65_536;
  const isMtu = Number.isInteger(mtu) && Number(mtu) >= 1280 && Number(mtu) <= 9000;
  if (!isOneOfEachFamily(addresses, isInterfaceAddress) || !isRecord(resolvers) || !isPort || !isMtu) return undefined;
  const { none, ads, ads_trackers_malware } = resolvers;
  const levels = { none, ads, ads_trackers_malware };
  if (!Object.values(levels).every((level) => isOneOfEachFamily(level, isAddress))) return undefined;
  return { addresses, resolvers: levels as Tunnel['resolvers'], listenPort: Number(listen_port), mtu: Number(mtu) };
}

function isOneOfEachFamily(value: unknown, isAddress: (text: string) => boolean): value is string[] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  return value.every((text) => typeof text === 'string' && isAddress(text)) && isV6(value[0]) !== isV6(value[1]);
}

const isV6 = (text: unknown) => String(text).includes(':');

/** Zones are refused, because they can contain any text. */
const isAddress = (text: string) => isIP(text) !== 0 && !text.includes('%');

function isInterfaceAddress(text: string): boolean {
  const [address = '', prefix = '', ...rest] = text.split('/');
  const longest = isV6(address) ? 128 : 32;
  return isAddress(address) && /^\d{1,3}$/.test(prefix) && Number(prefix) <= longest && rest.length === 0;
}

/** One address of either family, with prefix length 32 or 128. */
function isHostAddress(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  const [address = '', prefix = '', ...rest] = value.split('/');
  return isAddress(address) && prefix === (isV6(address) ? '128' : '32') && rest.length === 0;
}

function parsePeer(document: unknown): Peer | undefined {
  const row = parseRevision(document);
  if (row === undefined || !isRecord(document)) return undefined;
  const { status, public_key, preshared_key, allowed_ips, dns_blocking, expires_at } = document;
  const expiresAt = typeof expires_at === 'string' ? Date.parse(expires_at) : NaN;
  const readable =
    matches(public_key, wireguardKey) &&
    matches(preshared_key, wireguardKey) &&
    Array.isArray(allowed_ips) &&
    allowed_ips.length > 0 &&
    allowed_ips.every(isHostAddress) &&
    typeof dns_blocking === 'string' &&
    !Number.isNaN(expiresAt);
  if (!readable) return undefined;
  return {
    ...row,
    pending: status === 'pending',
    publicKey: public_key,
    presharedKey: preshared_key,
    allowedIps: allowed_ips,
    dnsBlocking: dns_blocking,
    expiresAt,
  };
}

function parseRevision(document: unknown): ConnectionRevision | undefined {
  if (!isRecord(document)) return undefined;
  const { connection_id, revision } = document;
  if (!matches(connection_id, identifier) || !Number.isSafeInteger(revision)) return undefined;
  return { connectionId: connection_id, revision: revision as number };
}

function matches(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && pattern.test(value);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function mapDefined<T, R>(value: T | undefined, then: (value: T) => R): R | undefined {
  return value === undefined ? undefined : then(value);
}
