import { type Prefetching } from '../prefetching.js';
import { type OnEvent } from '../events.js';
import { pause } from '../retrying.js';
import { type Wallet } from './wallet.js';

export interface WalletStatus {
  /** Tokens that are ready to be spent. */
  readonly tokens: number;
  /** ISO 8601: when the first and the last of them expire. */
  readonly firstExpiry?: string;
  readonly lastExpiry?: string;
  /** Tokens that were requested and are not signed yet. */
  readonly pending: number;
  /** Unfinished attempts to connect, one token each. `connect` retries them first. */
  readonly attempts: number;
  /** ISO 8601: when the next tokens are prefetched, if the app runs then. Absent before the first prefetch. */
  readonly nextPrefetch?: string;
}

export interface VpnWalletDependencies {
  readonly wallet: Wallet;
  readonly prefetching: Pick<Prefetching, 'prefetchIfDue'>;
  readonly now: () => number;
  readonly onEvent: OnEvent;
}

/** How often `keepFilled` checks whether a prefetch is due. */
const checkIntervalMs = 60_000;
const afterFailureMs = 10 * checkIntervalMs;

/**
 * The tokens of this device. The client prefetches the same number every day at a random time, whatever the usage, so that
 * prefetching reveals nothing about connecting. The oldest tokens are spent first; expired ones are dropped.
 */
export class VpnWallet {
  readonly #dependencies: VpnWalletDependencies;

  constructor(parts: VpnWalletDependencies) {
    this.#dependencies = parts;
  }

  /** @throws {WalletError} */
  async status(): Promise<WalletStatus> {
    const { tokens, pending, attempts, plannedPrefetch } = await this.#dependencies.wallet.read();
    const expiries = tokens.map(({ expiresAt }) => expiresAt).toSorted();
    const [firstExpiry, lastExpiry] = [expiries[0], expiries.at(-1)];
    return {
      tokens: tokens.length,
      ...(firstExpiry !== undefined && { firstExpiry }),
      ...(lastExpiry !== undefined && { lastExpiry }),
      pending: pending.reduce((count, batch) => count + batch.tokens.length, 0),
      attempts: attempts.length,
      ...(plannedPrefetch && { nextPrefetch: new Date(plannedPrefetch.at).toISOString() }),
    };
  }

  /**
   * Fetches today's tokens if their time has come; in a new wallet it has. Call it once after sign-in, and then regularly from a
   * timer or the system's background task. Never call it because the user is about to connect.
   *
   * Safe to call again after any error or crash.
   *
   * @returns the number of tokens added
   * @throws {VpnApiError} `subscription_inactive`, `token_quota_exceeded`, `invalid_id_token`, …
   * @throws {PartitioningSuspected} the issuer may show this client other keys than other clients; nothing was fetched
   * @throws {TokenError} the issuer's directory or signatures are invalid
   * @throws {WalletError} the storage failed
   */
  async prefetchIfDue(): Promise<number> {
    return this.#dependencies.prefetching.prefetchIfDue();
  }

  /**
   * Prefetches whenever it is due until the signal is aborted, for apps that keep running. A failure emits the event
   * `prefetch_failed` and is retried.
   */
  async keepFilled({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    while (!signal.aborted) {
      const wait = await this.prefetchIfDue().then(
        () => checkIntervalMs,
        (error: unknown) => {
          this.#dependencies.onEvent({ type: 'prefetch_failed', error });
          return afterFailureMs;
        },
      );
      await pause(wait, signal).catch(() => {});
    }
  }
}
