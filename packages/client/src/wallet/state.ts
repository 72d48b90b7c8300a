import { type SeenKey } from '../key-consistency.js';
import { type DnsBlocking, isRecord, type RedeemedConfig, type VpnToken } from '../wire.js';
import { WalletError } from '../errors.js';
import { type PlannedPrefetch } from './prefetch-plan.js';

/*
 * What a wallet keeps, and how it changes: functions of plain values. Each change is saved as a whole before the step that
 * relies on it is taken, so a crash between any two steps finds one of these states:
 *
 *   pending      made and blinded, perhaps signed: asked for again, which costs nothing
 *   tokens       signed and verified: to be spent
 *   attempts     a token with the key pair it is being spent with, perhaps spent: repeated with the same pair
 *   connections  paid for: used, ended, or left to expire
 */

/** Blinded tokens on their way to the issuer and back. `inverse` is what makes them unlinkable: secret. */
export interface PendingBatch {
  readonly id: string;
  readonly kind: BatchKind;
  readonly key: SeenKey & { readonly spki: string; readonly notAfter: number };
  /** base64url each. */
  readonly tokens: readonly { readonly token: string; readonly blindedToken: string; readonly inverse: string }[];
}

/** `daily`: the same number every day, whatever was used. `extra`: because the wallet had run dry, which the issuer sees. */
export type BatchKind = 'daily' | 'extra';

/** A token being spent. Its key pair belongs to it from the first try on: only with that can a lost try be repeated. */
export interface Attempt extends VpnToken {
  readonly id: string;
  readonly privateKey: string;
  readonly publicKey: string;
  /** Every location it was tried at; the present one last. */
  readonly locations: readonly string[];
  /** Unix milliseconds: until then it belongs to whoever began it, who may be another process. */
  readonly heldUntil: number;
  /** How often the service has answered with an error that says nothing of the token. */
  readonly failures?: number;
}

/** An attempt that has failed so often is tried after fresh tokens: others must not wait for it. */
export const maxFailures = 3;

/** A connection that was paid for. Plain data, and secret. */
export interface Connection {
  readonly id: string;
  /** The location's id. */
  readonly location: string;
  /** The device's WireGuard key pair, made for this connection alone. */
  readonly privateKey: string;
  readonly publicKey: string;
  /** ISO 8601. */
  readonly expiresAt: string;
  /** ISO 8601: a random moment some time before the end, so that renewals of many people do not fall together. */
  readonly renewAt: string;
  readonly dnsBlocking: DnsBlocking;
  /** As the service described it. */
  readonly config: RedeemedConfig;
}

export interface WalletState {
  readonly version: 1;
  readonly seen: readonly SeenKey[];
  readonly pending: readonly PendingBatch[];
  readonly tokens: readonly VpnToken[];
  readonly attempts: readonly Attempt[];
  readonly connections: readonly Connection[];
  readonly draw?: PlannedPrefetch;
}

export const emptyWallet: WalletState = {
  version: 1,
  seen: [],
  pending: [],
  tokens: [],
  attempts: [],
  connections: [],
};

/** @throws {WalletError} `unreadable` */
export function parseWallet(text: string): WalletState {
  const state = parseJson(text);
  const wallet = { ...emptyWallet, ...(isRecord(state) ? (state as Partial<WalletState>) : { version: 0 }) };
  const lists = [wallet.seen, wallet.pending, wallet.tokens, wallet.attempts, wallet.connections];
  if (wallet.version !== 1 || !lists.every(Array.isArray)) {
    throw new WalletError('unreadable', 'What is stored is not a wallet of this version. Move it away to start anew.');
  }
  return { ...wallet, version: 1 };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The id of the key that signed a token: 32 bytes, base64url. The last of its 98 bytes, so of its text (RFC 9578 §6.1). */
export function keyIdOfToken({ token }: Pick<VpnToken, 'token'>): string {
  return token.slice(88);
}

/** A token this close to its end is not begun with. */
const endMarginMs = 60_000;

/** Drops what is over. An attempt stays a little longer: its connection may have been made. */
export function tidy(state: WalletState, now: number): WalletState {
  return {
    ...state,
    seen: state.seen.filter((key) => now < key.verifyUntil * 1000),
    pending: state.pending.filter(({ key }) => now < key.notAfter * 1000),
    tokens: state.tokens.filter(({ expiresAt }) => now < Date.parse(expiresAt) - endMarginMs),
    attempts: state.attempts.filter(({ expiresAt }) => now < Date.parse(expiresAt)),
    connections: state.connections.filter(({ expiresAt }) => now < Date.parse(expiresAt)),
  };
}

/** Remembers a key that both sides publish. */
export function rememberKey(state: WalletState, key: SeenKey): WalletState {
  return state.seen.some(({ keyId }) => keyId === key.keyId) ? state : { ...state, seen: [...state.seen, key] };
}

/** Forgets every token of keys that have been retired, signed or not, on its way or not; and remembers that they have. */
export function retireKeys(state: WalletState, keyIds: readonly string[]): WalletState {
  const other = (token: Pick<VpnToken, 'token'>) => !keyIds.includes(keyIdOfToken(token));
  return {
    ...state,
    seen: state.seen.map((key) => (keyIds.includes(key.keyId) ? { ...key, retired: true } : key)),
    pending: state.pending.filter(({ key }) => !keyIds.includes(key.keyId)),
    tokens: state.tokens.filter(other),
    attempts: state.attempts.filter(other),
  };
}

export function addPending(state: WalletState, batch: PendingBatch, draw: PlannedPrefetch | undefined): WalletState {
  return { ...state, pending: [...state.pending, batch], ...(draw && { draw }) };
}

/** A batch that is no longer pending was finished by somebody else: its tokens are there already, or spent. */
export function settlePending(state: WalletState, id: string, tokens: readonly VpnToken[]): WalletState {
  if (!state.pending.some((batch) => batch.id === id)) return state;
  return {
    ...state,
    pending: state.pending.filter((batch) => batch.id !== id),
    tokens: [...state.tokens, ...tokens],
  };
}

export interface Wanted {
  readonly id: string;
  readonly privateKey: string;
  readonly publicKey: string;
  /** Where it may go, the best first. */
  readonly locations: readonly [string, ...string[]];
  readonly now: number;
  readonly heldUntil: number;
  /** Ids of keys whose tokens are not to be used. */
  readonly shunned: readonly string[];
  /** Ids of attempts that have just failed. */
  readonly failed: readonly string[];
}

/**
 * Begins to spend a token: one that was begun with and given up, else the oldest; one that keeps failing comes last. What was
 * begun goes on where it was last tried, if that will do: it may have succeeded there, and anywhere else would cost another
 * token.
 */
export function beginAttempt(state: WalletState, wanted: Wanted): [WalletState, Attempt | undefined] {
  const { id, privateKey, publicKey, locations, now, heldUntil, shunned, failed } = wanted;
  const usable = (token: Pick<VpnToken, 'token'>) => !shunned.includes(keyIdOfToken(token));
  const oldest = state.tokens
    .filter(usable)
    .toSorted((a, b) => Date.parse(a.expiresAt) - Date.parse(b.expiresAt))
    .at(0);
  const given = state.attempts
    .filter((attempt) => usable(attempt) && attempt.heldUntil <= now && !failed.includes(attempt.id))
    .toSorted((a, b) => (a.failures ?? 0) - (b.failures ?? 0))
    .at(0);
  if (given !== undefined && ((given.failures ?? 0) < maxFailures || oldest === undefined)) {
    const location = given.locations.findLast((tried) => locations.includes(tried)) ?? locations[0];
    const next = changeAttempt(state, given.id, { location, heldUntil });
    return [next, next.attempts.find((attempt) => attempt.id === given.id)];
  }
  if (oldest === undefined) return [state, undefined];
  const attempt = { ...oldest, id, privateKey, publicKey, locations: [locations[0]], heldUntil };
  const tokens = state.tokens.filter(({ token }) => token !== oldest.token);
  return [{ ...state, tokens, attempts: [...state.attempts, attempt] }, attempt];
}

export interface AttemptChange extends Partial<Pick<Attempt, 'privateKey' | 'publicKey' | 'heldUntil' | 'failures'>> {
  /** Where it is tried now. */
  readonly location?: string;
}

/** Changes an attempt as it is stored now. One that is gone stays gone. */
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

/** The token is spent and the connection there, in one step. */
export function settleAttempt(state: WalletState, attempt: Attempt, connection: Connection): WalletState {
  const others = state.connections.filter(({ id }) => id !== connection.id);
  return { ...dropAttempt(state, attempt), connections: [...others, connection] };
}

export function dropConnection(state: WalletState, id: string): WalletState {
  return { ...state, connections: state.connections.filter((connection) => connection.id !== id) };
}
