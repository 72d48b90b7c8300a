import { type Prefetching } from '../prefetching.js';
import { type OnEvent } from '../events.js';
import { pause } from '../retrying.js';
import { type Wallet } from './wallet.js';

/** What is in a wallet, in numbers. */
export interface WalletStatus {
  /** Ready to be spent. */
  readonly tokens: number;
  /** ISO 8601: when the first and the last of them expire. */
  readonly firstExpiry?: string;
  readonly lastExpiry?: string;
  /** Tokens that were asked for and have not come yet. */
  readonly pending: number;
  /** Tokens with which connecting was begun, and that are tried again first. */
  readonly begun: number;
  /** ISO 8601: when the next tokens are drawn, if the app runs then. Absent before the first draw. */
  readonly nextPrefetch?: string;
}

export interface VpnWalletParts {
  readonly wallet: Wallet;
  readonly prefetching: Pick<Prefetching, 'prefetchIfDue'>;
  readonly now: () => number;
  readonly onEvent: OnEvent;
}

/** How often a wallet that is kept filled looks whether its moment has come; less often after a failure. */
const lookMs = 60_000;
const afterFailureMs = 10 * lookMs;

/**
 * The tokens of this device. The same number is drawn every day at a random moment, whatever was used, so that drawing says
 * nothing about connecting; the oldest are spent first, and expired ones dropped.
 */
export class VpnWallet {
  readonly #parts: VpnWalletParts;

  constructor(parts: VpnWalletParts) {
    this.#parts = parts;
  }

  /** @throws {WalletError} */
  async status(): Promise<WalletStatus> {
    const { tokens, pending, attempts, draw } = await this.#parts.wallet.read();
    const expiries = tokens.map(({ expiresAt }) => expiresAt).toSorted();
    const [firstExpiry, lastExpiry] = [expiries[0], expiries.at(-1)];
    return {
      tokens: tokens.length,
      ...(firstExpiry !== undefined && { firstExpiry }),
      ...(lastExpiry !== undefined && { lastExpiry }),
      pending: pending.reduce((count, batch) => count + batch.tokens.length, 0),
      begun: attempts.length,
      ...(draw && { nextPrefetch: new Date(draw.at).toISOString() }),
    };
  }

  /**
   * Draws today's tokens if their moment has come; a new wallet's has. Call it once after sign-in, and then from whatever runs
   * now and then by itself (a timer, the system's background task), never because somebody is about to connect.
   *
   * Safe to call again after any error or crash.
   *
   * @returns how many tokens came
   * @throws {VpnApiError} `subscription_inactive`, `token_quota_exceeded`, `invalid_id_token`, …
   * @throws {PartitioningSuspected} the issuer's keys are not what everybody must see alike; nothing was fetched
   * @throws {TokenError} the issuer's directory or signatures are not what they must be
   * @throws {WalletError} the storage fails
   */
  async prefetchIfDue(): Promise<number> {
    return this.#parts.prefetching.prefetchIfDue();
  }

  /** Draws whenever it is due until the signal is aborted, for apps that keep running. What fails is an event, and tried again. */
  async keepFilled({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    while (!signal.aborted) {
      const wait = await this.prefetchIfDue().then(
        () => lookMs,
        (error: unknown) => {
          this.#parts.onEvent({ type: 'draw_failed', error });
          return afterFailureMs;
        },
      );
      await pause(wait, signal).catch(() => {});
    }
  }
}
