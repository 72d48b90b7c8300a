import { VpnAccount } from './account.js';
import { Anonymizer } from './anonymizer.js';
import { toBase64url } from './bytes.js';
import { Connecting, type ConnectOptions } from './connecting.js';
import { keyIdText } from './directory.js';
import { Prefetching, type IssuerKey } from './prefetching.js';
import { type OnEvent } from './events.js';
import { Gatekeeper, largestBatch } from './gatekeeper.js';
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
  /** Where the person is known: tokens are signed here, and subscriptions kept. */
  readonly gatekeeperUrl: string;
  /** Where nobody is known: tokens are spent here. */
  readonly anonymizerUrl: string;
  /** A fresh ID token of the signed-in person; asked for before every call to the gatekeeper that needs it. */
  readonly getIdToken: () => Promise<string> | string;
  /** Where tokens are kept; in memory by default, where they are lost with the page or process. One for each account. */
  readonly wallet?: WalletStorage;
  /** 1 to 32: how many tokens are drawn each day, whatever is used. The same for all of an app's people, or it tells them apart. */
  readonly tokensPerDay?: number;
  readonly onEvent?: OnEvent;
  readonly fetch?: Fetch;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** From 0 up to 1: for moments and the order of equals, never for keys or tokens. */
  readonly random?: () => number;
}

/** Enough for a device that changes its location now and then; five devices fit into the standard plan. */
const standardTokensPerDay = 6;

/**
 * A client of the service. The two sides are reached by two transports that share nothing: the gatekeeper's shows who is
 * asking, the anonymizer's never does.
 *
 * What may be thrown is described at each method; `adviceFor(error)` says what an app should do about it. Every method throws
 * `VpnApiError` when the service refuses or is away, and passes on what `getIdToken` and a signal throw.
 */
export class VpnClient {
  /** The tokens of this device. */
  readonly wallet: VpnWallet;
  /** What the service knows of the person, and what they may change of it. */
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
   * Begins the trial: once for each person.
   *
   * @throws {VpnApiError} `trial_already_used`, `trial_not_offered`, `email_not_verified`, `invalid_id_token`
   */
  async startTrial(): Promise<Subscription> {
    return this.#gatekeeper.startTrial();
  }

  /**
   * What the person may use.
   *
   * @throws {VpnApiError} `invalid_id_token`
   */
  async subscription(): Promise<Subscription> {
    return this.#gatekeeper.subscription();
  }

  /**
   * Where connections can go: the same for everyone, asked as nobody.
   *
   * @throws {VpnApiError} no answer
   */
  async locations(): Promise<Location[]> {
    return this.#anonymizer.locations();
  }

  /**
   * Spends a token on a connection, with a WireGuard key made for it on this device.
   *
   * Safe to call again after any error or crash: a token that may have been spent is tried again with its own key before
   * another is taken, so none is lost and none buys two connections. An empty wallet draws at once, which the issuer sees
   * (event `drawn_out_of_turn`).
   *
   * @throws {LocationNotFound} nothing is called so
   * @throws {VpnApiError} `no_capacity` where that location alone was asked for; while prefetching, `subscription_inactive`,
   * `token_quota_exceeded`, `invalid_id_token`
   * @throws {PartitioningSuspected} the only tokens there are may be marked
   * @throws {TokenError} the issuer's directory cannot be used
   * @throws {WalletError} the storage fails
   */
  async connect(options: ConnectOptions = {}): Promise<Connection> {
    return this.#connecting.connect(options);
  }

  /**
   * Connections that were paid for and neither ended nor expired, as this device remembers them.
   *
   * @throws {WalletError} the storage fails
   */
  async connections(): Promise<readonly Connection[]> {
    return (await this.#store.read()).connections;
  }

  /**
   * @param connection or its secret
   * @throws {VpnApiError} `connection_not_found` once it has ended
   */
  async connectionStatus(connection: Connection | string): Promise<ConnectionStatus> {
    return this.#anonymizer.connectionStatus(secretOf(connection));
  }

  /**
   * Ends a connection; one that has ended already is no error.
   *
   * @param connection or its secret
   * @throws {VpnApiError} no answer: it ends by itself at its time
   * @throws {WalletError} the storage fails; the connection has ended
   */
  async disconnect(connection: Connection | string): Promise<void> {
    await this.#anonymizer.disconnect(secretOf(connection));
    if (typeof connection !== 'string') await this.#store.update((state) => dropConnection(state, connection.id));
  }

  /**
   * Replaces a connection before it expires, make before break: the old one is ended once `use` has brought the new one up,
   * and stays when that fails.
   *
   * @param options where to; the same location and blocking by default
   * @throws what `connect` throws; what `use` throws, with the new connection ended
   */
  async renew(connection: Connection, use: UseConnection, options: ConnectOptions = {}): Promise<Connection> {
    const { location, dnsBlocking } = connection;
    return renew(this.#renewing(), connection, use, { location, dnsBlocking, ...options });
  }

  /**
   * Connects, and renews the connection before each end until the signal is aborted; then ends it. A renewal stays where the
   * connection is, unless there is no room: then it goes elsewhere within the wish.
   *
   * @throws what `connect` throws the first time; later only what trying again cannot mend
   */
  async stayConnected(options: StayOptions): Promise<void> {
    return stayConnected(this.#renewing(), options);
  }

  /**
   * The key that both sides publish as the one that signs now, and what its tokens answer to. The wallet remembers it, so that
   * one that changes within its time is noticed.
   *
   * @throws {PartitioningSuspected} when the two sides differ, or a key is not what it was
   * @throws {TokenError} when a directory cannot be used
   * @throws {WalletError} the storage fails
   */
  async issuerKey(): Promise<IssuerKey> {
    return this.#prefetching.agreement();
  }

  /**
   * Has blinded tokens signed, for those who go step by step: `issuerKey`, `blind`, this, `finalize`, `redeem`.
   *
   * @param blinded 1 to 32, all of one key
   * @returns as many blind signatures, 256 bytes each; not verified yet: `finalize` does that
   * @throws {RangeError} none, or more than 32
   * @throws {VpnApiError} as `fetchTokens`
   */
  async signBlinded(blinded: readonly BlindedToken[]): Promise<Uint8Array[]> {
    refuseBadCount('blinded', blinded.length);
    const [first] = blinded as [BlindedToken];
    return this.#gatekeeper.sign(blinded, keyIdText(first.key));
  }

  /**
   * Fetches tokens past the wallet, for apps that keep them by other means: all of them or none, each verified.
   *
   * @param count 1 to 32
   * @throws {RangeError} another count
   * @throws {VpnApiError} `subscription_inactive`, `token_quota_exceeded` (with `retryAfter`), `key_retired` (call again), …
   * @throws {PartitioningSuspected} as `issuerKey`
   * @throws {WalletError} the storage fails; the wallet remembers keys, not these tokens
   * @throws {TokenError} when the issuer's directory or signature is not what it must be; no token of it is usable
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
   * Spends a token that is not the wallet's. A token is bound to the first `publicKey` it is spent with: repeating the call with
   * the same token, location and public key is safe and gives the same connection.
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

/** @throws {TypeError} a URL cannot be read; {RangeError} `tokensPerDay` is not 1 to 32 */
export function createClient(options: VpnClientOptions): VpnClient {
  return new VpnClient(options);
}

function secretOf(connection: Connection | string): string {
  return typeof connection === 'string' ? connection : connection.config.connection_secret;
}

function refuseBadCount(name: string, count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > largestBatch) {
    throw new RangeError(`${name} takes 1 to ${largestBatch}`);
  }
}
