import { type Anonymizer } from './anonymizer.js';
import { type Bytes, fromBase64url, fromBigInt, toBase64url, toBigInt } from './bytes.js';
import { type DirectoryKey } from './directory.js';
import { TokenError, VpnApiError } from './errors.js';
import { type OnEvent } from './events.js';
import { type Gatekeeper } from './gatekeeper.js';
import { checkKeyConsistency, seenKeyOf } from './key-consistency.js';
import { isTransient } from './retrying.js';
import { blindBatch, challengeDigestOf, finalize } from './token.js';
import { parseTokenKey } from './token-key.js';
import { dayOf, nextPrefetch, planAfter, type PlannedPrefetch } from './wallet/prefetch-plan.js';
import {
  addPending,
  type BatchKind,
  type PendingBatch,
  rememberKey,
  retireKeys,
  completePending,
  type WalletState,
} from './wallet/state.js';
import { type Wallet } from './wallet/wallet.js';
import { type VpnToken } from './wire.js';

export interface PrefetchingDependencies {
  readonly gatekeeper: Gatekeeper;
  /** Only its directory is used. */
  readonly anonymizer: Anonymizer;
  readonly wallet: Wallet;
  readonly tokensPerDay: number;
  readonly now: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly onEvent: OnEvent;
}

/**
 * Fetches tokens into the wallet. Each batch is stored, with the secrets that unblind it, before it is sent to the issuer. When
 * an answer is lost, the client sends the same blinded tokens again, which costs no quota, and each becomes one token.
 */
export class Prefetching {
  constructor(private readonly dependencies: PrefetchingDependencies) {}

  /** Completes pending batches, and fetches today's tokens if their time has come. @returns the number of tokens added */
  async prefetchIfDue(): Promise<number> {
    const finished = await this.finishPending();
    const plan = await this.planIfDue();
    return plan ? finished + (await this.fetchBatch('daily', this.dependencies.tokensPerDay, plan)) : finished;
  }

  /** Fetches tokens although none are due, for an empty wallet. @returns the number of tokens added */
  async fetchOutOfTurn(): Promise<number> {
    return (await this.finishPending()) || this.fetchBatch('extra', this.dependencies.tokensPerDay);
  }

  private async fetchBatch(kind: BatchKind, count: number, plan?: PlannedPrefetch): Promise<number> {
    try {
      return await this.finishBatch(await this.startBatch(kind, count, plan));
    } catch (error) {
      const newCount = retryCount(error, count);
      if (newCount === undefined) throw error;
      const newPlan = plan && (await this.planIfDue());
      if (plan !== undefined && newPlan === undefined) return 0;
      return this.finishBatch(await this.startBatch(kind, newCount, newPlan));
    }
  }

  /** Today's plan if it is due. Otherwise stores when it will be. */
  private async planIfDue(): Promise<PlannedPrefetch | undefined> {
    const { wallet, now, random } = this.dependencies;
    const chance = random();
    return wallet.change((state) => {
      const { due, plan } = nextPrefetch(state.plannedPrefetch, now(), chance);
      return due ? [state, plan] : [{ ...state, plannedPrefetch: plan }, undefined];
    });
  }

  /**
   * Makes a batch and stores it. With a plan, the next day's plan is stored in the same step, so that two processes never fetch
   * for the same day.
   */
  private async startBatch(kind: BatchKind, count: number, plan?: PlannedPrefetch): Promise<PendingBatch> {
    const { wallet, now, random } = this.dependencies;
    const { key, challengeDigest } = await this.issuerKey();
    const tokens = await blindBatch(key, challengeDigest, count);
    const batch: PendingBatch = {
      id: crypto.randomUUID(),
      kind,
      key: { ...seenKeyOf(key), spki: toBase64url(key.spki), notAfter: key.notAfter },
      tokens: tokens.map(({ token, blindedToken, inverse }) => ({
        token: toBase64url(token),
        blindedToken: toBase64url(blindedToken),
        inverse: toBase64url(fromBigInt(inverse, 256)),
      })),
    };
    const chance = random();
    const isStored = await wallet.change((state) => {
      if (plan !== undefined && !nextPrefetch(state.plannedPrefetch, now(), chance).due) return [state, false];
      return [addPending(state, batch, plan && planAfter(plan, chance)), true];
    });
    return isStored ? batch : { ...batch, tokens: [] };
  }

  /** Completes stored batches. A refused batch that may be replaced is dropped without an error: its prefetch is due again. */
  private async finishPending(): Promise<number> {
    const { wallet } = this.dependencies;
    if ((await wallet.read()).pending.length === 0) return 0;
    await this.issuerKey();
    let count = 0;
    // Read again: batches of a retired key have been dropped.
    for (const batch of (await wallet.read()).pending) {
      try {
        count += await this.finishBatch(batch);
      } catch (error) {
        if (retryCount(error, batch.tokens.length) === undefined) throw error;
      }
    }
    return count;
  }

  /** @returns the number of tokens added */
  private async finishBatch(batch: PendingBatch): Promise<number> {
    if (batch.tokens.length === 0) return 0;
    const { wallet, now, onEvent } = this.dependencies;
    let tokens: VpnToken[];
    try {
      tokens = await this.signBatch(batch);
    } catch (error) {
      // The issuer refused for good, or its signatures are invalid: these blinded tokens are never sent again.
      if (isFinal(error)) await wallet.update((state) => dropRefusedBatch(state, batch, error, now()));
      throw error;
    }
    const isFirst = await wallet.change((state) => {
      const next = completePending(state, batch.id, tokens);
      return [next, next !== state];
    });
    if (!isFirst) return 0;
    onEvent({ type: batch.kind === 'daily' ? 'prefetched' : 'fetched_out_of_turn', tokens: tokens.length });
    return tokens.length;
  }

  private async signBatch({ key, tokens }: PendingBatch): Promise<VpnToken[]> {
    const tokenKey = await parseTokenKey(decode(key.spki));
    const blinded = tokens.map(({ token, blindedToken, inverse }) => ({
      key: tokenKey,
      token: decode(token),
      blindedToken: decode(blindedToken),
      inverse: toBigInt(decode(inverse)),
    }));
    const signatures = await this.dependencies.gatekeeper.sign(blinded, key.keyId);
    return Promise.all(
      blinded.map(async (token, index) => ({
        token: toBase64url(token.token),
        signature: toBase64url(await finalize(token, signatures[index] ?? new Uint8Array())),
        expiresAt: new Date(key.verifyUntil * 1000).toISOString(),
      })),
    );
  }

  /**
   * The key that both sides publish as the current signing key. The same step compares the directories with the keys that the
   * wallet has seen, adds the key to them, and drops the tokens of keys that both sides have retired.
   *
   * @throws {PartitioningSuspected}
   * @throws {TokenError} a directory is invalid
   * @throws {VpnApiError} a side does not answer
   * @throws {WalletError}
   */
  async issuerKey(): Promise<IssuerKey> {
    const { gatekeeper, anonymizer, wallet, now, onEvent } = this.dependencies;
    const directories = await Promise.all([gatekeeper.directory(), anonymizer.directory()]);
    const { key, lost } = await wallet.change((state) => {
      const { key, retired } = checkKeyConsistency(...directories, state.seen, now());
      const retiredBatches = state.pending.filter((batch) => retired.includes(batch.key.keyId));
      const dueState = retiredBatches.reduce((next, batch) => makeDueAgain(next, batch, now()), state);
      const nextState = rememberKey(retireKeys(dueState, retired), seenKeyOf(key));
      const remaining = nextState.tokens.length + nextState.attempts.length;
      return [nextState, { key, lost: state.tokens.length + state.attempts.length - remaining }];
    });
    if (lost > 0) onEvent({ type: 'tokens_lost', tokens: lost, reason: 'retired' });
    return { key, challengeDigest: await challengeDigestOf(directories[0].challenge) };
  }
}

/** The key and challenge that tokens can be made for now. */
export interface IssuerKey {
  readonly key: DirectoryKey;
  /** SHA-256 of the TokenChallenge that its tokens answer: 32 bytes. */
  readonly challengeDigest: Bytes;
}

/**
 * How many tokens to request instead, when another request may succeed: with a new key, or with what is left of the quota after
 * the user's other devices have fetched theirs.
 */
function retryCount(error: unknown, count: number): number | undefined {
  if (!(error instanceof VpnApiError)) return undefined;
  if (error.code === 'key_retired') return count;
  const { code, remaining = 0 } = error;
  return code === 'token_quota_exceeded' && remaining > 0 && remaining < count ? remaining : undefined;
}

/** Drops the batch. Its prefetch is due again when another one may succeed today: a new key, fewer tokens, a subscription. */
function dropRefusedBatch(state: WalletState, batch: PendingBatch, error: unknown, now: number): WalletState {
  const remaining = completePending(state, batch.id, []);
  // Another process has completed it.
  if (remaining === state) return state;
  const isInactive = error instanceof VpnApiError && error.code === 'subscription_inactive';
  const mayStillSucceed = isInactive || retryCount(error, batch.tokens.length) !== undefined;
  return mayStillSucceed ? makeDueAgain(remaining, batch, now) : remaining;
}

/** The plan moved on to the next day when the batch was stored. A batch that gives no tokens makes today's prefetch due again. */
function makeDueAgain(state: WalletState, { kind }: PendingBatch, now: number): WalletState {
  const { plannedPrefetch, ...withoutPlan } = state;
  return kind === 'daily' && plannedPrefetch !== undefined && plannedPrefetch.day > dayOf(now) ? withoutPlan : state;
}

/** Whether the same batch can never succeed. It may after an answer of a captive portal, and after a new sign-in. */
function isFinal(error: unknown): boolean {
  if (error instanceof TokenError) return true;
  const isRefusal = error instanceof VpnApiError && error.code !== 'unexpected_answer' && error.status !== 401;
  return isRefusal && !isTransient(error);
}

function decode(text: string) {
  const bytes = fromBase64url(text);
  if (bytes === undefined) throw new TokenError('invalid_token_key', 'A stored batch of the wallet cannot be decoded.');
  return bytes;
}
