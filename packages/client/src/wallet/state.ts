import { type SeenKey } from '../key-consistency.js';
import { type DnsBlocking, isRecord, type RedeemedConfig, type VpnToken } from '../wire.js';
import { WalletError } from '../errors.js';
import { type PlannedPrefetch } from './prefetch-plan.js';

/*
 * The wallet's state and its changes, as functions of plain values. Each change is saved as a whole before the step that
 * relies on it. So after a crash at any point, a token is in one of these lists:
 *
 *   pending      made and blinded, perhaps signed; the client requests the signatures again, which costs nothing
 *   tokens       signed and verified, ready to be spent
 *   attempts     sent or about to be sent with a key pair, perhaps spent; the client repeats it with the same key pair
 *   connections  spent; the connection is used, ended, or left to expire
 */

/** Blinded tokens that wait for their signatures. `inverse` is secret: it links a signature to its blinded token. */
export interface PendingBatch {
  readonly id: string;
  readonly kind: BatchKind;
  readonly key: SeenKey & { readonly spki: string; readonly notAfter: number };
  /** base64url each. */
  readonly tokens: readonly { readonly token: string; readonly blindedToken: string; readonly inverse: string }[];
}

/** `daily`: the same number every day, whatever the usage. `extra`: fetched because the wallet was empty, which the issuer sees. */
export type BatchKind = 'daily' | 'extra';

/** A token being spent. It keeps its key pair from the first request on: a lost request can only be repeated with that pair. */
export interface Attempt extends VpnToken {
  readonly id: string;
  readonly privateKey: string;
  readonly publicKey: string;
  /** Every location it was tried at, the current one last. */
  readonly locations: readonly string[];
  /** Unix milliseconds. Until then only the process that started the attempt may use it. */
  readonly heldUntil: number;
  /** How many errors of the service were not caused by the token. */
  readonly failures?: number;
}

/** An attempt with this many failures comes after unused tokens, so that it does not block new connections. */
export const maxFailures = 3;

/** A connection that a token was spent on. Plain data, and secret. */
export interface Connection {
  readonly id: string;
  /** The location's id. */
  readonly location: string;
  /** The device's WireGuard key pair, made for this connection alone. */
  readonly privateKey: string;
  readonly publicKey: string;
  /** ISO 8601. */
  readonly expiresAt: string;
  /** ISO 8601. A random time 1 to 3 hours before the end, so that clients do not all renew at the same time. */
  readonly renewAt: string;
  readonly dnsBlocking: DnsBlocking;
  /** The service's answer. */
  readonly config: RedeemedConfig;
}

/** Stored as JSON. To rename a member or change its meaning, raise the version and convert older texts in `upgrade`. */
export interface WalletState {
  readonly version: 2;
  readonly seen: readonly SeenKey[];
  readonly pending: readonly PendingBatch[];
  readonly tokens: readonly VpnToken[];
  readonly attempts: readonly Attempt[];
  readonly connections: readonly Connection[];
  readonly plannedPrefetch?: PlannedPrefetch;
}

export const emptyWallet: WalletState = {
  version: 2,
  seen: [],
  pending: [],
  tokens: [],
  attempts: [],
  connections: [],
};

/**
 * Reads the text that a wallet was stored as, by this version of the software or an older one.
 *
 * @throws {WalletError} `unreadable`
 */
export function parseWallet(text: string): WalletState {
  const stored = parseJson(text);
  const state: Partial<WalletState> | { version: 0 } = isRecord(stored) ? upgrade(stored) : { version: 0 };
  const wallet = { ...emptyWallet, ...state };
  const lists = [wallet.seen, wallet.pending, wallet.tokens, wallet.attempts, wallet.connections];
  if (wallet.version !== 2 || !lists.every(Array.isArray)) {
    throw new WalletError(
      'unreadable',
      'The stored data is not a wallet that this version can read. Update the software, or move the data away to start with an empty wallet.',
    );
  }
  return { ...wallet, version: 2 };
}

/** Version 1 stored `plannedPrefetch` as `draw`. */
function upgrade(stored: Readonly<Record<string, unknown>>): Partial<WalletState> {
  if (stored['version'] !== 1) return stored;
  const { draw, ...rest } = stored;
  return { ...rest, version: 2, ...(draw !== undefined && { plannedPrefetch: draw as PlannedPrefetch }) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The id of a token's key, 32 bytes as base64url: the end of the token's 98 bytes, and so of its text (RFC 9578 §6.1). */
export function keyIdOfToken({ token }: Pick<VpnToken, 'token'>): string {
  return token.slice(88);
}

/** A token that expires sooner than this is not spent any more. */
const endMarginMs = 60_000;

/** Drops what has expired. Attempts stay until the token's very end: their connection may have been made. */
export function dropExpired(state: WalletState, now: number): WalletState {
  return {
    ...state,
    seen: state.seen.filter((key) => now < key.verifyUntil * 1000),
    pending: state.pending.filter(({ key }) => now < key.notAfter * 1000),
    tokens: state.tokens.filter(({ expiresAt }) => now < Date.parse(expiresAt) - endMarginMs),
    attempts: state.attempts.filter(({ expiresAt }) => now < Date.parse(expiresAt)),
    connections: state.connections.filter(({ expiresAt }) => now < Date.parse(expiresAt)),
  };
}

/** Adds a key that both sides publish. */
export function rememberKey(state: WalletState, key: SeenKey): WalletState {
  return state.seen.some(({ keyId }) => keyId === key.keyId) ? state : { ...state, seen: [...state.seen, key] };
}

/** Drops every token and batch of retired keys, and marks these keys as retired. */
export function retireKeys(state: WalletState, keyIds: readonly string[]): WalletState {
  const isOfOtherKey = (token: Pick<VpnToken, 'token'>) => !keyIds.includes(keyIdOfToken(token));
  return {
    ...state,
    seen: state.seen.map((key) => (keyIds.includes(key.keyId) ? { ...key, retired: true } : key)),
    pending: state.pending.filter(({ key }) => !keyIds.includes(key.keyId)),
    tokens: state.tokens.filter(isOfOtherKey),
    attempts: state.attempts.filter(isOfOtherKey),
  };
}

export function addPending(
  state: WalletState,
  batch: PendingBatch,
  plannedPrefetch: PlannedPrefetch | undefined,
): WalletState {
  return { ...state, pending: [...state.pending, batch], ...(plannedPrefetch && { plannedPrefetch }) };
}

/** Does nothing when the batch is not pending: another process has completed it and stored its tokens. */
export function completePending(state: WalletState, id: string, tokens: readonly VpnToken[]): WalletState {
  if (!state.pending.some((batch) => batch.id === id)) return state;
  return {
    ...state,
    pending: state.pending.filter((batch) => batch.id !== id),
    tokens: [...state.tokens, ...tokens],
  };
}

/** What a new attempt starts with. An older attempt keeps its own id and key pair. */
export interface AttemptRequest {
  readonly id: string;
  readonly privateKey: string;
  readonly publicKey: string;
  /** Acceptable locations, the best first. */
  readonly locations: readonly [string, ...string[]];
  readonly now: number;
  readonly heldUntil: number;
  /** Ids of keys whose tokens must not be used. */
  readonly unusableKeyIds: readonly string[];
  /** Ids of attempts that have just failed. */
  readonly failed: readonly string[];
}

/**
 * Chooses the token to spend: that of an unfinished attempt, else the oldest unused one. An attempt with `maxFailures` comes
 * last. An unfinished attempt continues at the location where it was last tried, if that is acceptable: it may have
 * succeeded there, and another location would then cost another token.
 */
export function beginAttempt(state: WalletState, request: AttemptRequest): [WalletState, Attempt | undefined] {
  const { id, privateKey, publicKey, locations, now, heldUntil, unusableKeyIds, failed } = request;
  const isUsable = (token: Pick<VpnToken, 'token'>) => !unusableKeyIds.includes(keyIdOfToken(token));
  const oldest = state.tokens
    .filter(isUsable)
    .toSorted((a, b) => Date.parse(a.expiresAt) - Date.parse(b.expiresAt))
    .at(0);
  const unfinished = state.attempts
    .filter((attempt) => isUsable(attempt) && attempt.heldUntil <= now && !failed.includes(attempt.id))
    .toSorted((a, b) => (a.failures ?? 0) - (b.failures ?? 0))
    .at(0);
  if (unfinished !== undefined && ((unfinished.failures ?? 0) < maxFailures || oldest === undefined)) {
    const location = unfinished.locations.findLast((tried) => locations.includes(tried)) ?? locations[0];
    const next = changeAttempt(state, unfinished.id, { location, heldUntil });
    return [next, next.attempts.find((attempt) => attempt.id === unfinished.id)];
  }
  if (oldest === undefined) return [state, undefined];
  const attempt = { ...oldest, id, privateKey, publicKey, locations: [locations[0]], heldUntil };
  const tokens = state.tokens.filter(({ token }) => token !== oldest.token);
  return [{ ...state, tokens, attempts: [...state.attempts, attempt] }, attempt];
}

export interface AttemptChange extends Partial<Pick<Attempt, 'privateKey' | 'publicKey' | 'heldUntil' | 'failures'>> {
  /** The location of the next request. */
  readonly location?: string;
}

/** Changes the stored attempt. Does nothing when it has been dropped. */
export function changeAttempt(state: WalletState, id: string, { location, ...changed }: AttemptChange): WalletState {
  const change = (attempt: Attempt): Attempt => ({
    ...attempt,
    ...changed,
    ...(location !== undefined && {
      locations: [...attempt.locations.filter((tried) => tried !== location), location],
    }),
  });
  return { ...state, attempts: state.attempts.map((attempt) => (attempt.id === id ? change(attempt) : attempt)) };
}

export function dropAttempt(state: WalletState, { id }: Attempt): WalletState {
  return { ...state, attempts: state.attempts.filter((attempt) => attempt.id !== id) };
}

/** Replaces the attempt by its connection, in one step. */
export function completeAttempt(state: WalletState, attempt: Attempt, connection: Connection): WalletState {
  const others = state.connections.filter(({ id }) => id !== connection.id);
  return { ...dropAttempt(state, attempt), connections: [...others, connection] };
}

export function dropConnection(state: WalletState, id: string): WalletState {
  return { ...state, connections: state.connections.filter((connection) => connection.id !== id) };
}
