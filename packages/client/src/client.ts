import { fromBase64url, toBase64url } from './bytes.js';
import { agreedKey, type DirectoryKey, directoryPath, type IssuerDirectory, parseDirectory } from './directory.js';
import { VpnApiError } from './errors.js';
import { type BlindedToken, blind, challengeDigestOf, finalize } from './token.js';
import { type Fetch, Transport, unexpectedAnswer } from './transport.js';
import {
  type Location,
  type RedeemedConfig,
  type RedeemOptions,
  type Subscription,
  isSubscription,
  type ConnectionStatus,
  type VpnToken,
  isConnectionStatus,
  isLocations,
  isRecord,
  isRedeemedConfig,
} from './wire.js';

export interface VpnClientOptions {
  /** Where the person is known: tokens are signed here, and subscriptions kept. */
  readonly gatekeeperUrl: string;
  /** Where nobody is known: tokens are spent here. */
  readonly anonymizerUrl: string;
  /** A fresh ID token of the signed-in person; asked for before every call to the gatekeeper that needs it. */
  readonly getIdToken: () => Promise<string> | string;
  readonly fetch?: Fetch;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

/** Most tokens in one request. */
const largestBatch = 32;
/** A repeated request costs no quota, so one that may have been lost on the way is repeated. */
const issuingAttempts = 3;
const retryDelayMs = 250;

/**
 * A client of the service. The two sides are reached by two transports that share nothing: `#gatekeeper` shows who is
 * asking, `#anonymizer` never does. Every method rejects with a `VpnApiError` when the service refuses or is away.
 */
export class VpnClient {
  readonly #gatekeeper: Transport;
  readonly #anonymizer: Transport;
  readonly #getIdToken: VpnClientOptions['getIdToken'];
  readonly #now: () => number;

  constructor({
    gatekeeperUrl,
    anonymizerUrl,
    getIdToken,
    fetch = globalThis.fetch,
    now = Date.now,
  }: VpnClientOptions) {
    this.#gatekeeper = new Transport(gatekeeperUrl, fetch);
    this.#anonymizer = new Transport(anonymizerUrl, fetch);
    this.#getIdToken = getIdToken;
    this.#now = now;
  }

  /**
   * The key that both sides publish as the one that signs now, and what its tokens answer to.
   *
   * @throws {PartitioningSuspected} when the two sides differ
   * @throws {TokenError} when a directory cannot be used
   */
  async issuerKey(): Promise<{ key: DirectoryKey; challengeDigest: Uint8Array<ArrayBuffer> }> {
    const [ours, theirs] = await Promise.all([directoryOf(this.#gatekeeper), directoryOf(this.#anonymizer)]);
    return { key: agreedKey(ours, theirs, this.#now()), challengeDigest: await challengeDigestOf(ours.challenge) };
  }

  /**
   * Fetches tokens: all of them or none, each verified.
   *
   * @param count 1 to 32
   * @throws {VpnApiError} `subscription_inactive`, `token_quota_exceeded` (with `retryAfter`), `key_retired` (call again), …
   * @throws {PartitioningSuspected} when the two sides publish different keys
   * @throws {TokenError} when the issuer's directory or signature is not what it must be; no token of it is usable
   */
  async fetchTokens(count = 1): Promise<VpnToken[]> {
    if (!Number.isInteger(count) || count < 1 || count > largestBatch) {
      throw new RangeError(`count takes 1 to ${largestBatch}`);
    }
    const { key, challengeDigest } = await this.issuerKey();
    const blinded = await Promise.all(Array.from({ length: count }, () => blind(key, challengeDigest)));
    const blindSignatures = await this.#sign(blinded, toBase64url(key.keyId));
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
   * Spends a token. A token is bound to the first `publicKey` it is spent with: repeating the call with the same token,
   * location and public key is safe and gives the same connection.
   *
   * @throws {VpnApiError} `token_reused`, `token_expired`, `no_capacity` (with `retryAfter`; the token is unspent), …
   */
  async redeem({ token, signature, location, publicKey, dnsBlocking }: RedeemOptions): Promise<RedeemedConfig> {
    const config = await this.#anonymizer.call('/vpn/config', {
      method: 'POST',
      body: { token, signature, location, public_key: publicKey, dns_blocking: dnsBlocking },
    });
    const madeForThisKey = isRedeemedConfig(config) && (publicKey === undefined || config.public_key === publicKey);
    if (!madeForThisKey) throw unexpectedAnswer(200);
    return config;
  }

  async locations(): Promise<Location[]> {
    const answer = await this.#anonymizer.call('/vpn/locations');
    if (!isLocations(answer)) throw unexpectedAnswer(200);
    return answer.locations;
  }

  /**
   * @param secret `connection_secret` of the redemption
   * @throws {VpnApiError} `connection_not_found` once the connection has ended
   */
  async connectionStatus(secret: string): Promise<ConnectionStatus> {
    const answer = await this.#anonymizer.call('/vpn/connection', { bearer: secret });
    if (!isConnectionStatus(answer)) throw unexpectedAnswer(200);
    return answer;
  }

  /** Ends a connection; one that has ended already is no error. */
  async disconnect(secret: string): Promise<void> {
    try {
      await this.#anonymizer.call('/vpn/connection', { method: 'DELETE', bearer: secret });
    } catch (error) {
      if (error instanceof VpnApiError && error.code === 'connection_not_found') return;
      throw error;
    }
  }

  /** @throws {VpnApiError} `trial_already_used`, `email_not_verified` */
  async startTrial(): Promise<Subscription> {
    return asSubscription(await this.#identified('/subscription/trial', 'POST'));
  }

  async subscription(): Promise<Subscription> {
    return asSubscription(await this.#identified('/subscription', 'GET'));
  }

  async #identified(path: string, method: 'GET' | 'POST', body?: unknown): Promise<Record<string, unknown>> {
    const answer = await this.#gatekeeper.call(path, { method, body, bearer: await this.#getIdToken() });
    if (!isRecord(answer)) throw unexpectedAnswer(200);
    return answer;
  }

  /** @returns as many blind signatures as were asked for, 256 bytes each */
  async #sign(blinded: readonly BlindedToken[], keyId: string): Promise<Uint8Array[]> {
    const texts = blinded.map(({ blindedToken }) => toBase64url(blindedToken));
    const body = texts.length === 1 ? { blindedToken: texts[0], keyId } : { blindedTokens: texts, keyId };
    const answer = await repeatIfLost(() => this.#identified('/auth/vpn-token', 'POST', body));
    const signatures: unknown = texts.length === 1 ? [answer['signature']] : answer['signatures'];
    if (!Array.isArray(signatures) || signatures.length !== texts.length) throw unexpectedAnswer(200);
    return signatures.map((text: unknown) => {
      const signature = typeof text === 'string' ? fromBase64url(text, 256) : undefined;
      if (signature === undefined) throw unexpectedAnswer(200);
      return signature;
    });
  }
}

export function createClient(options: VpnClientOptions): VpnClient {
  return new VpnClient(options);
}

/** Asked without credentials, of either side. */
async function directoryOf(side: Transport): Promise<IssuerDirectory> {
  return parseDirectory(await side.call(directoryPath));
}

function asSubscription(answer: unknown): Subscription {
  if (!isSubscription(answer)) throw unexpectedAnswer(200);
  return answer;
}

async function repeatIfLost<T>(request: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      const lost = error instanceof VpnApiError && (error.code === 'unreachable' || error.status >= 500);
      if (!lost || attempt === issuingAttempts) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, retryDelayMs * 2 ** attempt * Math.random()));
  }
}
