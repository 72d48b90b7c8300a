import { type Anonymizer } from './anonymizer.js';
import { type Prefetching } from './prefetching.js';
import { type PartitioningSuspected, VpnApiError, WalletError } from './errors.js';
import { type OnEvent } from './events.js';
import { checkSeenKeys } from './key-consistency.js';
import { chooseLocations } from './locations.js';
import { isTransient, retrying } from './retrying.js';
import { unexpectedAnswer } from './transport.js';
import {
  type Attempt,
  beginAttempt,
  changeAttempt,
  type Connection,
  dropAttempt,
  maxFailures,
  completeAttempt,
} from './wallet/state.js';
import { type Wallet } from './wallet/wallet.js';
import { generateWireguardKeyPair, parseWireguardConf } from './wireguard.js';
import { type DnsBlocking, type RedeemedConfig } from './wire.js';

export interface ConnectOptions {
  /** A location's id, a city or a country; by default the least busy location. See `chooseLocations`. */
  readonly location?: string | undefined;
  readonly dnsBlocking?: DnsBlocking | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ConnectingDependencies {
  readonly anonymizer: Anonymizer;
  readonly wallet: Wallet;
  readonly prefetching: Prefetching;
  readonly now: () => number;
  readonly random: () => number;
  readonly onEvent: OnEvent;
}

/** Longer than one request with all its retries: after that, the process that started an attempt has died. */
const attemptHoldMs = 120_000;
/** How many attempts one call makes when the service refuses one token after another. */
const maxAttempts = 3;
/** How many locations one attempt tries when they are full. */
const maxLocations = 3;
const hourMs = 3_600_000;

/** The service will never accept this token. */
const unspendableCodes = ['token_reused', 'token_expired', 'unknown_key', 'invalid_signature'];

/**
 * Spends a token on a connection without losing either.
 *
 * The token and its key pair are stored before they are sent. When the answer comes, one step stores the connection and drops the
 * token. Until then, the same token with the same key pair gives the same connection. So an attempt that gets no answer is kept,
 * and the next call continues it: at the same location if that is still acceptable, else at another one. If the first request
 * had succeeded after all, the service answers `location_changed`; the client then fetches that connection and ends it.
 *
 * An attempt that keeps failing must not block new connections: its failures are counted, and it comes last.
 */
export class Connecting {
  constructor(private readonly dependencies: ConnectingDependencies) {}

  async connect({ location, dnsBlocking = 'none', signal }: ConnectOptions): Promise<Connection> {
    const { anonymizer, random } = this.dependencies;
    const [locations, keys] = await Promise.all([
      retrying(() => anonymizer.locations(signal), signal),
      this.checkKeys(signal),
    ]);
    const locationIds = chooseLocations(locations, location, random).map(({ id }) => id);
    const failed: string[] = [];
    for (let attempts = 1; ; attempts++) {
      const attempt = await this.startAttempt(locationIds, keys, failed);
      try {
        const config = await this.redeem(attempt, locationIds, dnsBlocking, signal);
        return await this.storeConnection(attempt, config, dnsBlocking);
      } catch (error) {
        const isResolved = await this.handleRefusal(attempt, error, dnsBlocking).catch(async (cause: unknown) => {
          await this.releaseAttempt(attempt, cause);
          throw cause;
        });
        if (!isResolved) await this.releaseAttempt(attempt, error);
        const keepsFailing = (attempt.failures ?? 0) >= maxFailures;
        if ((!isResolved && !keepsFailing) || attempts === maxAttempts) throw error;
        if (!isResolved) failed.push(attempt.id);
      }
    }
  }

  /** Continues an unfinished attempt or takes a token from the wallet; fetches tokens when there are none. */
  private async startAttempt(
    [first = '', ...others]: readonly string[],
    { suspicion, unusableKeyIds }: KeyCheck,
    failed: readonly string[],
  ): Promise<Attempt> {
    const { wallet, prefetching, now } = this.dependencies;
    const keys = await generateWireguardKeyPair();
    const request = { id: crypto.randomUUID(), ...keys, locations: [first, ...others] as const, failed };
    const takeToken = (excludedKeyIds: readonly string[]) =>
      wallet.change((state) =>
        beginAttempt(state, {
          ...request,
          unusableKeyIds: excludedKeyIds,
          now: now(),
          heldUntil: now() + attemptHoldMs,
        }),
      );
    const attempt = await takeToken(unusableKeyIds);
    if (attempt !== undefined) return attempt;
    if (suspicion !== undefined) throw suspicion;
    // Another process may take the new tokens first, but hardly every time.
    for (let round = 0; round < maxAttempts; round++) {
      // This checks the keys of both sides, so no key needs to be excluded afterwards.
      await prefetching.fetchOutOfTurn();
      const fresh = await takeToken([]);
      if (fresh !== undefined) return fresh;
    }
    throw new WalletError('not_saved', 'Other processes took every token that was fetched. Try again.');
  }

  /** Tries one location after another until one has room. Each location is stored before its request is sent. */
  private async redeem(
    attempt: Attempt,
    locationIds: readonly string[],
    dnsBlocking: DnsBlocking,
    signal: AbortSignal | undefined,
  ): Promise<RedeemedConfig> {
    const [current = ''] = attempt.locations.slice(-1);
    const candidates = [current, ...locationIds.filter((id) => id !== current)].slice(0, maxLocations);
    for (const [index, id] of candidates.entries()) {
      if (index > 0) await this.storeLocation(attempt, id);
      try {
        return await this.redeemAt(attempt, id, dnsBlocking, signal);
      } catch (error) {
        const isFull = error instanceof VpnApiError && ['no_capacity', 'unknown_location'].includes(error.code);
        if (!isFull || index === candidates.length - 1) throw error;
      }
    }
    throw unexpectedAnswer(200);
  }

  private async redeemAt(
    { token, signature, publicKey }: Attempt,
    location: string,
    dnsBlocking: DnsBlocking,
    signal?: AbortSignal,
  ): Promise<RedeemedConfig> {
    const request = { token, signature, publicKey, location, dnsBlocking };
    return retrying(() => this.dependencies.anonymizer.redeem(request, signal), signal);
  }

  private async storeLocation({ id }: Attempt, location: string): Promise<void> {
    const { wallet, now } = this.dependencies;
    await wallet.update((state) => changeAttempt(state, id, { location, heldUntil: now() + attemptHoldMs }));
  }

  private async storeConnection(
    attempt: Attempt,
    config: RedeemedConfig,
    dnsBlocking: DnsBlocking,
  ): Promise<Connection> {
    try {
      parseWireguardConf(config.wireguard_conf);
    } catch {
      throw unexpectedAnswer(200);
    }
    const { privateKey, publicKey } = attempt;
    const connection: Connection = {
      id: config.connection_id,
      location: config.location,
      privateKey,
      publicKey,
      expiresAt: config.expires_at,
      renewAt: new Date(Date.parse(config.expires_at) - (1 + 2 * this.dependencies.random()) * hourMs).toISOString(),
      dnsBlocking,
      config,
    };
    await this.dependencies.wallet.update((state) => completeAttempt(state, attempt, connection));
    return connection;
  }

  /** @returns whether another attempt may succeed: the token was dropped, or has a new key pair */
  private async handleRefusal(attempt: Attempt, error: unknown, dnsBlocking: DnsBlocking): Promise<boolean> {
    if (!(error instanceof VpnApiError)) return false;
    const { code } = error;
    if (code === 'public_key_in_use') {
      await this.replaceKeyPair(attempt);
      return true;
    }
    if (code === 'location_changed') await this.endEarlierConnection(attempt, dnsBlocking);
    else if (!unspendableCodes.includes(code)) return false;
    await this.dependencies.wallet.update((state) => dropAttempt(state, attempt));
    if (code !== 'location_changed') this.dependencies.onEvent({ type: 'tokens_lost', tokens: 1, reason: 'refused' });
    return true;
  }

  private async replaceKeyPair({ id }: Attempt): Promise<void> {
    const keys = await generateWireguardKeyPair();
    await this.dependencies.wallet.update((state) => changeAttempt(state, id, { ...keys, heldUntil: 0 }));
  }

  /**
   * An earlier request of this attempt succeeded at another location, but its answer was lost. Fetches that connection again for
   * its secret, and ends it.
   */
  private async endEarlierConnection(attempt: Attempt, dnsBlocking: DnsBlocking): Promise<void> {
    const { anonymizer, wallet } = this.dependencies;
    const stored = (await wallet.read()).attempts.find(({ id }) => id === attempt.id) ?? attempt;
    for (const location of stored.locations.toReversed()) {
      const config = await this.redeemAt(attempt, location, dnsBlocking).catch((error: unknown) => {
        if (error instanceof VpnApiError && error.status === 409) return undefined;
        throw error;
      });
      if (config !== undefined) return anonymizer.disconnect(config.connection_secret);
    }
  }

  /** Lets the next call continue the attempt at once, and counts the failure. */
  private async releaseAttempt(attempt: Attempt, error: unknown): Promise<void> {
    const failures = (attempt.failures ?? 0) + failuresToCount(error);
    await this.dependencies.wallet.update((state) => changeAttempt(state, attempt.id, { failures, heldUntil: 0 }));
  }

  /** Compares the keys of the wallet's tokens with the anonymizer's directory. */
  private async checkKeys(signal: AbortSignal | undefined): Promise<KeyCheck> {
    const { anonymizer, wallet, now, onEvent } = this.dependencies;
    const [directory, { seen }] = await Promise.all([
      retrying(() => anonymizer.directory(signal), signal),
      wallet.read(),
    ]);
    const { retired, suspicion } = checkSeenKeys(seen, [directory], now());
    if (suspicion !== undefined) onEvent({ type: 'partitioning_suspected', error: suspicion });
    return { suspicion, unusableKeyIds: [...retired, ...(suspicion?.keyIds ?? [])] };
  }
}

interface KeyCheck {
  readonly suspicion: PartitioningSuspected | undefined;
  /**
   * Ids of keys whose tokens must not be used. These include keys that the anonymizer lists as retired; their tokens stay in
   * the wallet until both sides list the key as retired.
   */
  readonly unusableKeyIds: readonly string[];
}

/** How many failures an error counts for: 0 when no answer came or the location is full, the maximum when a retry cannot help. */
function failuresToCount(error: unknown): number {
  if (!(error instanceof VpnApiError) || error.status === 0) return 0;
  if (['no_capacity', 'unknown_location', 'rate_limited'].includes(error.code)) return 0;
  // An unexpected answer may come from a captive portal, so a retry on another network may succeed.
  return error.code === 'unexpected_answer' || isTransient(error) ? 1 : maxFailures;
}
