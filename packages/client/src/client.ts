import { VpnAccount } from './account.js';
import { Anonymizer } from './anonymizer.js';
import { toBase64url } from './bytes.js';
import { Connecting, type ConnectOptions } from './connecting.js';
import { keyIdText } from './directory.js';
import { Prefetching, type IssuerKey } from './prefetching.js';
import { type OnEvent } from './events.js';
import { Gatekeeper, maxBatchSize } from './gatekeeper.js';
import { renew, stayConnected, type StayOptions, type UseConnection } from './renewing.js';
import { type BlindedToken, blindBatch, finalize } from './token.js';
import { type Fetch, Transport } from './transport.js';
import { type Connection, dropConnection } from './wallet/state.js';
import { memoryStorage, type WalletStorage } from './wallet/storage.js';
import { VpnWallet } from './wallet/vpn-wallet.js';
import { Wallet } from './wallet/wallet.js';
import {
  type ConnectionStatus,
  type Location,
  type RedeemedConfig,
  type RedeemOptions,
  type Subscription,
  type VpnToken,
} from './wire.js';

export interface VpnClientOptions {
  /** The gatekeeper knows the user: it signs tokens and manages subscriptions. */
  readonly gatekeeperUrl: string;
  /** The anonymizer knows no user: tokens are spent there. */
  readonly anonymizerUrl: string;
  /** Returns a current ID token of the signed-in user. Called before every request that needs one. */
  readonly getIdToken: () => Promise<string> | string;
  /** Stores the tokens; use one storage for each account. By default in memory, where they are lost with the page or process. */
  readonly wallet?: WalletStorage;
  /** How many tokens are prefetched each day, 1 to 32. Use the same number for all users of an app: it would tell them apart. */
  readonly tokensPerDay?: number;
  readonly onEvent?: OnEvent;
  readonly fetch?: Fetch;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** From 0 up to 1. Used for times and for the order of equally good locations, never for keys or tokens. */
  readonly random?: () => number;
}

/** Enough for a device that sometimes changes its location; the standard plan covers five such devices. */
const standardTokensPerDay = 6;

/**
 * A client of the VPN service. It reaches the two sides through two transports that share nothing: requests to the gatekeeper
 * identify the user, requests to the anonymizer never do.
 *
 * Each method documents what it throws; `adviceFor(error)` says what an app should do about it. Every method may throw
 * `VpnApiError` when the service refuses or does not answer, and rethrows errors of `getIdToken` and abort signals.
 */
export class VpnClient {
  /** The tokens of this device. */
  readonly wallet: VpnWallet;
  /** The user's account. */
  readonly account: VpnAccount;
  readonly #gatekeeper: Gatekeeper;
  readonly #anonymizer: Anonymizer;
  readonly #store: Wallet;
  readonly #prefetching: Prefetching;
  readonly #connecting: Connecting;
  readonly #now: () => number;
  readonly #onEvent: OnEvent;

  constructor(options: VpnClientOptions) {
    const { fetch = globalThis.fetch, now = Date.now, random = Math.random, onEvent = () => {} } = options;
    const { tokensPerDay = standardTokensPerDay } = options;
    refuseBadCount('tokensPerDay', tokensPerDay);
    const gatekeeper = new Gatekeeper(new Transport(options.gatekeeperUrl, fetch), options.getIdToken);
    const anonymizer = new Anonymizer(new Transport(options.anonymizerUrl, fetch));
    const wallet = new Wallet(options.wallet ?? memoryStorage(), now);
    const prefetching = new Prefetching({ gatekeeper, anonymizer, wallet, tokensPerDay, now, random, onEvent });
    this.wallet = new VpnWallet({ wallet, prefetching, now, onEvent });
    this.account = new VpnAccount(gatekeeper);
    this.#connecting = new Connecting({ anonymizer, wallet, prefetching, now, random, onEvent });
    this.#prefetching = prefetching;
    this.#gatekeeper = gatekeeper;
    this.#anonymizer = anonymizer;
    this.#store = wallet;
    this.#now = now;
    this.#onEvent = onEvent;
  }

  /**
   * Starts the trial, once for each user.
   *
   * @throws {VpnApiError} `trial_already_used`, `trial_not_offered`, `email_not_verified`, `invalid_id_token`
   */
  async startTrial(): Promise<Subscription> {
    return this.#gatekeeper.startTrial();
  }

  /**
   * The user's subscription or trial.
   *
   * @throws {VpnApiError} `invalid_id_token`
   */
  async subscription(): Promise<Subscription> {
    return this.#gatekeeper.subscription();
  }

  /**
   * The locations that connections can go to. They are the same for all users, and requested without credentials.
   *
   * @throws {VpnApiError} the service does not answer
   */
  async locations(): Promise<Location[]> {
    return this.#anonymizer.locations();
  }

  /**
   * Spends a token on a connection, with a new WireGuard key pair made on this device.
   *
   * Safe to call again after any error or crash: a token that may have been spent is retried with its own key pair before
   * another is taken, so no token is lost and none pays for two connections. With an empty wallet it fetches tokens at once, which
   * the issuer sees (event `fetched_out_of_turn`).
   *
   * @throws {LocationNotFound} no location matches
   * @throws {VpnApiError} `no_capacity` when the matching locations are full; while fetching tokens, `subscription_inactive`,
   * `token_quota_exceeded`, `invalid_id_token`
   * @throws {PartitioningSuspected} the keys of all remaining tokens are inconsistent
   * @throws {TokenError} the issuer's directory is invalid
   * @throws {WalletError} the storage failed
   */
  async connect(options: ConnectOptions = {}): Promise<Connection> {
    return this.#connecting.connect(options);
  }

  /**
   * The connections in this device's wallet that were neither ended by `disconnect` nor have expired.
   *
   * @throws {WalletError} the storage failed
   */
  async connections(): Promise<readonly Connection[]> {
    return (await this.#store.read()).connections;
  }

  /**
   * @param connection the connection or its secret
   * @throws {VpnApiError} `connection_not_found` once it has ended
   */
  async connectionStatus(connection: Connection | string): Promise<ConnectionStatus> {
    return this.#anonymizer.connectionStatus(secretOf(connection));
  }

  /**
   * Ends a connection. Does nothing when it has already ended.
   *
   * @param connection the connection or its secret
   * @throws {VpnApiError} the service does not answer; the connection then ends when it expires
   * @throws {WalletError} the storage failed; the connection has ended
   */
  async disconnect(connection: Connection | string): Promise<void> {
    await this.#anonymizer.disconnect(secretOf(connection));
    if (typeof connection !== 'string') await this.#store.update((state) => dropConnection(state, connection.id));
  }

  /**
   * Replaces a connection before it expires, make before break: the old one is ended once `use` has brought up the new one,
   * and stays when that fails.
   *
   * @param options by default the same location and DNS blocking
   * @throws errors of `connect`; errors of `use`, after ending the new connection
   */
  async renew(connection: Connection, use: UseConnection, options: ConnectOptions = {}): Promise<Connection> {
    const { location, dnsBlocking } = connection;
    return renew(this.#renewing(), connection, use, { location, dnsBlocking, ...options });
  }

  /**
   * Connects, and renews the connection before it expires until the signal is aborted; then ends it. A renewal stays at the
   * same location while it has room, else it uses another one that matches the options.
   *
   * @throws errors of the first `connect`; later only errors that a retry cannot fix
   */
  async stayConnected(options: StayOptions): Promise<void> {
    return stayConnected(this.#renewing(), options);
  }

  /**
   * The current signing key, which both sides must publish, and the digest of the challenge. The wallet remembers the key, so that
   * a later change is noticed.
   *
   * @throws {PartitioningSuspected} the two sides differ, or a key has changed
   * @throws {TokenError} a directory is invalid
   * @throws {WalletError} the storage failed
   */
  async issuerKey(): Promise<IssuerKey> {
    return this.#prefetching.issuerKey();
  }

  /**
   * Requests signatures for blinded tokens. For apps that use the single steps: `issuerKey`, `blind`, `signBlinded`, `finalize`,
   * `redeem`.
   *
   * @param blinded 1 to 32, all of one key
   * @returns as many blind signatures, 256 bytes each, not verified yet: `finalize` does that
   * @throws {RangeError} `blinded` is empty or has more than 32 elements
   * @throws {VpnApiError} as `fetchTokens`
   */
  async signBlinded(blinded: readonly BlindedToken[]): Promise<Uint8Array[]> {
    refuseBadCount('blinded', blinded.length);
    const [first] = blinded as [BlindedToken];
    return this.#gatekeeper.sign(blinded, keyIdText(first.key));
  }

  /**
   * Fetches tokens without storing them in the wallet, for apps that store tokens themselves. Returns all of them, each verified,
   * or throws.
   *
   * @param count 1 to 32
   * @throws {RangeError} another count
   * @throws {VpnApiError} `subscription_inactive`, `token_quota_exceeded` (with `retryAfter`), `key_retired` (call again), …
   * @throws {PartitioningSuspected} as `issuerKey`
   * @throws {WalletError} the storage failed; the wallet stores the keys, not these tokens
   * @throws {TokenError} the issuer's directory or a signature is invalid; no token of this call can be used
   */
  async fetchTokens(count = 1): Promise<VpnToken[]> {
    refuseBadCount('count', count);
    const { key, challengeDigest } = await this.issuerKey();
    const blinded = await blindBatch(key, challengeDigest, count);
    const blindSignatures = await this.signBlinded(blinded);
    const signatures = await Promise.all(
      blinded.map((token, index) => finalize(token, blindSignatures[index] ?? new Uint8Array())),
    );
    return blinded.map(({ token }, index) => ({
      token: toBase64url(token),
      signature: toBase64url(signatures[index] ?? new Uint8Array()),
      expiresAt: new Date(key.verifyUntil * 1000).toISOString(),
    }));
  }

  /**
   * Spends a token that is not in the wallet. A token is bound to the first `publicKey` it is spent with: repeating the call with
   * the same token, location and public key is safe and returns the same connection.
   *
   * @throws {VpnApiError} `token_reused`, `token_expired`, `no_capacity` (with `retryAfter`; the token is unspent), …
   */
  async redeem(options: RedeemOptions): Promise<RedeemedConfig> {
    return this.#anonymizer.redeem(options);
  }

  #renewing() {
    return {
      connect: (options: ConnectOptions) => this.connect(options),
      disconnect: (connection: Connection) => this.disconnect(connection),
      now: this.#now,
      onEvent: this.#onEvent,
    };
  }
}

/** @throws {TypeError} a URL is invalid; {RangeError} `tokensPerDay` is not 1 to 32 */
export function createClient(options: VpnClientOptions): VpnClient {
  return new VpnClient(options);
}

function secretOf(connection: Connection | string): string {
  return typeof connection === 'string' ? connection : connection.config.connection_secret;
}

function refuseBadCount(name: string, count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > maxBatchSize) {
    throw new RangeError(`${name} must be 1 to ${maxBatchSize}`);
  }
}
