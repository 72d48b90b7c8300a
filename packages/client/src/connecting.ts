import { type Anonymizer } from './anonymizer.js';
import { type Prefetching } from './prefetching.js';
import { type PartitioningSuspected, VpnApiError, WalletError } from './errors.js';
import { type OnEvent } from './events.js';
import { standingOf } from './key-consistency.js';
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
  settleAttempt,
} from './wallet/state.js';
import { type Wallet } from './wallet/wallet.js';
import { generateWireguardKeyPair, parseWireguardConf } from './wireguard.js';
import { type DnsBlocking, type RedeemedConfig } from './wire.js';

export interface ConnectOptions {
  /** A location's id, a city or a country; the least busy of all when absent. See `chooseLocations`. */
  readonly location?: string | undefined;
  readonly dnsBlocking?: DnsBlocking | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ConnectingParts {
  readonly anonymizer: Anonymizer;
  readonly wallet: Wallet;
  readonly prefetching: Prefetching;
  readonly now: () => number;
  readonly random: () => number;
  readonly onEvent: OnEvent;
}

/** Longer than one request with all its retries: after that, whoever began an attempt is gone. */
const holdMs = 120_000;
/** Attempts in one call, when the service refuses one token after another. */
const maxAttempts = 3;
/** Locations tried when one after another has no room. */
const maxLocations = 3;
const hourMs = 3_600_000;

/** The token is worth nothing, whoever sends it and whenever. */
const worthless = ['token_reused', 'token_expired', 'unknown_key', 'invalid_signature'];

/**
 * Spending a token on a connection, so that neither is lost.
 *
 * Token and key pair are stored together before they are sent, and the connection in the same step in which the token goes. In
 * between, whatever happens, the same token with the same key gives the same connection. So an attempt that ends without an
 * answer is never given up: the next call begins with it, at another location only when that one will not do. If it had
 * succeeded after all, the service says so (`location_changed`); that connection is then fetched where it is and ended.
 *
 * Nor may one attempt that fails again and again stand in the way of all others: it is counted, and comes last.
 */
export class Connecting {
  constructor(private readonly parts: ConnectingParts) {}

  async connect({ location, dnsBlocking = 'none', signal }: ConnectOptions): Promise<Connection> {
    const { anonymizer, random } = this.parts;
    const [locations, keys] = await Promise.all([
      retrying(() => anonymizer.locations(signal), signal),
      this.lookAtKeys(signal),
    ]);
    const meant = chooseLocations(locations, location, random).map(({ id }) => id);
    const failed: string[] = [];
    for (let attempts = 1; ; attempts++) {
      const attempt = await this.begin(meant, keys, failed);
      try {
        const config = await this.redeem(attempt, meant, dnsBlocking, signal);
        return await this.settle(attempt, config, dnsBlocking);
      } catch (error) {
        const isOver = await this.mend(attempt, error, dnsBlocking).catch(async (cause: unknown) => {
          await this.setAside(attempt, cause);
          throw cause;
        });
        if (!isOver) await this.setAside(attempt, error);
        const keepsFailing = (attempt.failures ?? 0) >= maxFailures;
        if ((!isOver && !keepsFailing) || attempts === maxAttempts) throw error;
        if (!isOver) failed.push(attempt.id);
      }
    }
  }

  /** Takes a token from the wallet; draws when there is none. */
  private async begin(
    [first = '', ...others]: readonly string[],
    { suspicion, shunned }: KeysNow,
    failed: readonly string[],
  ): Promise<Attempt> {
    const { wallet, prefetching, now } = this.parts;
    const keys = await generateWireguardKeyPair();
    const wanted = { id: crypto.randomUUID(), ...keys, locations: [first, ...others] as const, failed };
    const take = (unwanted: readonly string[]) =>
      wallet.change((state) =>
        beginAttempt(state, { ...wanted, shunned: unwanted, now: now(), heldUntil: now() + holdMs }),
      );
    const attempt = await take(shunned);
    if (attempt !== undefined) return attempt;
    if (suspicion !== undefined) throw suspicion;
    // Others may take what was drawn, but not each time.
    for (let tries = 0; tries < maxAttempts; tries++) {
      // It has asked both sides for their keys, and they agree.
      await prefetching.fetchNow();
      const drawn = await take([]);
      if (drawn !== undefined) return drawn;
    }
    throw new WalletError('not_saved', 'Others take every token that is drawn.');
  }

  /** Where there is room. Each location is stored before it is tried. */
  private async redeem(
    attempt: Attempt,
    meant: readonly string[],
    dnsBlocking: DnsBlocking,
    signal: AbortSignal | undefined,
  ): Promise<RedeemedConfig> {
    const [begunAt = ''] = attempt.locations.slice(-1);
    const candidates = [begunAt, ...meant.filter((id) => id !== begunAt)].slice(0, maxLocations);
    for (const [index, id] of candidates.entries()) {
      if (index > 0) await this.moveTo(attempt, id);
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
    return retrying(() => this.parts.anonymizer.redeem(request, signal), signal);
  }

  private async moveTo({ id }: Attempt, location: string): Promise<void> {
    const { wallet, now } = this.parts;
    await wallet.update((state) => changeAttempt(state, id, { location, heldUntil: now() + holdMs }));
  }

  private async settle(attempt: Attempt, config: RedeemedConfig, dnsBlocking: DnsBlocking): Promise<Connection> {
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
      renewAt: new Date(Date.parse(config.expires_at) - (1 + 2 * this.parts.random()) * hourMs).toISOString(),
      dnsBlocking,
      config,
    };
    await this.parts.wallet.update((state) => settleAttempt(state, attempt, connection));
    return connection;
  }

  /** @returns whether this attempt is over, or begins anew: another may do better */
  private async mend(attempt: Attempt, error: unknown, dnsBlocking: DnsBlocking): Promise<boolean> {
    if (!(error instanceof VpnApiError)) return false;
    const { code } = error;
    if (code === 'public_key_in_use') {
      await this.renewKeys(attempt);
      return true;
    }
    if (code === 'location_changed') await this.endWhereItIs(attempt, dnsBlocking);
    else if (!worthless.includes(code)) return false;
    await this.parts.wallet.update((state) => dropAttempt(state, attempt));
    if (code !== 'location_changed') this.parts.onEvent({ type: 'tokens_lost', tokens: 1, reason: 'refused' });
    return true;
  }

  private async renewKeys({ id }: Attempt): Promise<void> {
    const keys = await generateWireguardKeyPair();
    await this.parts.wallet.update((state) => changeAttempt(state, id, { ...keys, heldUntil: 0 }));
  }

  /** An earlier try had succeeded after all, at another location, and nobody knows its secret: fetch it, and end it. */
  private async endWhereItIs(attempt: Attempt, dnsBlocking: DnsBlocking): Promise<void> {
    const { anonymizer, wallet } = this.parts;
    const stored = (await wallet.read()).attempts.find(({ id }) => id === attempt.id) ?? attempt;
    for (const location of stored.locations.toReversed()) {
      const config = await this.redeemAt(attempt, location, dnsBlocking).catch((error: unknown) => {
        if (error instanceof VpnApiError && error.status === 409) return undefined;
        throw error;
      });
      if (config !== undefined) return anonymizer.disconnect(config.connection_secret);
    }
  }

  /** The next call may take it up at once, unless it has failed too often. */
  private async setAside(attempt: Attempt, error: unknown): Promise<void> {
    const failures = (attempt.failures ?? 0) + failuresBy(error);
    await this.parts.wallet.update((state) => changeAttempt(state, attempt.id, { failures, heldUntil: 0 }));
  }

  /** Whether the keys of the wallet's tokens are still what both sides once agreed on, as far as this side says. */
  private async lookAtKeys(signal: AbortSignal | undefined): Promise<KeysNow> {
    const { anonymizer, wallet, now, onEvent } = this.parts;
    const [directory, { seen }] = await Promise.all([
      retrying(() => anonymizer.directory(signal), signal),
      wallet.read(),
    ]);
    const { retired, suspicion } = standingOf(seen, [directory], now());
    if (suspicion !== undefined) onEvent({ type: 'partitioning_suspected', error: suspicion });
    return { suspicion, shunned: [...retired, ...(suspicion?.keyIds ?? [])] };
  }
}

/** What the anonymizer's word on its keys is worth. */
interface KeysNow {
  readonly suspicion: PartitioningSuspected | undefined;
  /** Ids of keys whose tokens are not used. One that it calls retired may be so: only both sides' word ends it. */
  readonly shunned: readonly string[];
}

/** How much an error speaks against ever succeeding with this token: nothing when no answer came, or there is no room. */
function failuresBy(error: unknown): number {
  if (!(error instanceof VpnApiError) || error.status === 0) return 0;
  if (['no_capacity', 'unknown_location', 'rate_limited'].includes(error.code)) return 0;
  // An answer that is not this service's may be another network's, and the next one better.
  return error.code === 'unexpected_answer' || isTransient(error) ? 1 : maxFailures;
}
