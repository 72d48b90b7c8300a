import { type Anonymizer } from './anonymizer.js';
import { type Bytes, fromBase64url, fromBigInt, toBase64url, toBigInt } from './bytes.js';
import { type DirectoryKey } from './directory.js';
import { TokenError, VpnApiError } from './errors.js';
import { type OnEvent } from './events.js';
import { type Gatekeeper } from './gatekeeper.js';
import { agree, seenKeyOf } from './key-consistency.js';
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
  settlePending,
  type WalletState,
} from './wallet/state.js';
import { type Wallet } from './wallet/wallet.js';
import { type VpnToken } from './wire.js';

export interface PrefetchingParts {
  readonly gatekeeper: Gatekeeper;
  /** For its directory. */
  readonly anonymizer: Anonymizer;
  readonly wallet: Wallet;
  readonly tokensPerDay: number;
  readonly now: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly onEvent: OnEvent;
}

/**
 * Fetching tokens into the wallet. A batch is stored before it is shown to the issuer, with what unblinds it; so whatever is
 * lost on the way, the same blinded tokens are asked for again, at no cost, and each becomes one token.
 */
export class Prefetching {
  constructor(private readonly parts: PrefetchingParts) {}

  /** Draws today's tokens if their moment has come, and finishes what was begun. */
  async prefetchIfDue(): Promise<number> {
    const finished = await this.finishPending();
    const plan = await this.planIfDue();
    return plan ? finished + (await this.fetchBatch('daily', this.parts.tokensPerDay, plan)) : finished;
  }

  /** Draws out of turn, for a wallet that has run dry. */
  async fetchNow(): Promise<number> {
    return (await this.finishPending()) || this.fetchBatch('extra', this.parts.tokensPerDay);
  }

  private async fetchBatch(kind: BatchKind, count: number, plan?: PlannedPrefetch): Promise<number> {
    try {
      return await this.finish(await this.begin(kind, count, plan));
    } catch (error) {
      const again = countToTryAgain(error, count);
      if (again === undefined) throw error;
      const dueAgain = plan && (await this.planIfDue());
      if (plan !== undefined && dueAgain === undefined) return 0;
      return this.finish(await this.begin(kind, again, dueAgain));
    }
  }

  /** Today's draw if its moment has come; stores when that is otherwise. */
  private async planIfDue(): Promise<PlannedPrefetch | undefined> {
    const { wallet, now, random } = this.parts;
    const chance = random();
    return wallet.change((state) => {
      const { due, plan } = nextPrefetch(state.draw, now(), chance);
      return due ? [state, plan] : [{ ...state, draw: plan }, undefined];
    });
  }

  /** Makes a batch and stores it. With a plan, tomorrow's draw is stored in the same step: no two processes draw for a day. */
  private async begin(kind: BatchKind, count: number, plan?: PlannedPrefetch): Promise<PendingBatch> {
    const { wallet, now, random } = this.parts;
    const { key, challengeDigest } = await this.agreement();
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
    const isOurs = await wallet.change((state) => {
      if (plan !== undefined && !nextPrefetch(state.draw, now(), chance).due) return [state, false];
      return [addPending(state, batch, plan && planAfter(plan, chance)), true];
    });
    return isOurs ? batch : { ...batch, tokens: [] };
  }

  /** A batch that will not be signed, but for which another may be, is given up: what was to be drawn is due again. */
  private async finishPending(): Promise<number> {
    const { wallet } = this.parts;
    if ((await wallet.read()).pending.length === 0) return 0;
    await this.agreement();
    let count = 0;
    // Read again: those of a retired key are gone.
    for (const batch of (await wallet.read()).pending) {
      try {
        count += await this.finish(batch);
      } catch (error) {
        if (countToTryAgain(error, batch.tokens.length) === undefined) throw error;
      }
    }
    return count;
  }

  /** @returns how many tokens it gave */
  private async finish(batch: PendingBatch): Promise<number> {
    if (batch.tokens.length === 0) return 0;
    const { wallet, now, onEvent } = this.parts;
    let tokens: VpnToken[];
    try {
      tokens = await this.signed(batch);
    } catch (error) {
      // Refused for good, or not to be trusted: these blinded tokens are never asked for again.
      if (isFinal(error)) await wallet.update((state) => afterRefusal(state, batch, error, now()));
      throw error;
    }
    const isFirst = await wallet.change((state) => {
      const next = settlePending(state, batch.id, tokens);
      return [next, next !== state];
    });
    if (!isFirst) return 0;
    onEvent({ type: batch.kind === 'daily' ? 'drawn' : 'drawn_out_of_turn', tokens: tokens.length });
    return tokens.length;
  }

  private async signed({ key, tokens }: PendingBatch): Promise<VpnToken[]> {
    const tokenKey = await parseTokenKey(decoded(key.spki));
    const blinded = tokens.map(({ token, blindedToken, inverse }) => ({
      key: tokenKey,
      token: decoded(token),
      blindedToken: decoded(blindedToken),
      inverse: toBigInt(decoded(inverse)),
    }));
    const signatures = await this.parts.gatekeeper.sign(blinded, key.keyId);
    return Promise.all(
      blinded.map(async (token, index) => ({
        token: toBase64url(token.token),
        signature: toBase64url(await finalize(token, signatures[index] ?? new Uint8Array())),
        expiresAt: new Date(key.verifyUntil * 1000).toISOString(),
      })),
    );
  }

  /**
   * The key that both sides publish as the one that signs now. It is remembered, and tokens of keys that both sides have
   * retired meanwhile go, in the step that compares the directories with what the wallet remembers.
   *
   * @throws {PartitioningSuspected}
   * @throws {TokenError} a directory cannot be used
   * @throws {VpnApiError} a side is away
   * @throws {WalletError}
   */
  async agreement(): Promise<IssuerKey> {
    const { gatekeeper, anonymizer, wallet, now, onEvent } = this.parts;
    const [ours, theirs] = await Promise.all([gatekeeper.directory(), anonymizer.directory()]);
    const { key, lost } = await wallet.change((state) => {
      const agreed = agree(ours, theirs, state.seen, now());
      const gone = state.pending.filter(({ key }) => agreed.retired.includes(key.keyId));
      const undrawn = gone.reduce((each, batch) => dueAgain(each, batch, now()), state);
      const rest = rememberKey(retireKeys(undrawn, agreed.retired), seenKeyOf(agreed.key));
      const kept = rest.tokens.length + rest.attempts.length;
      return [rest, { key: agreed.key, lost: state.tokens.length + state.attempts.length - kept }];
    });
    if (lost > 0) onEvent({ type: 'tokens_lost', tokens: lost, reason: 'retired' });
    return { key, challengeDigest: await challengeDigestOf(ours.challenge) };
  }
}

/** What tokens may be made for now. */
export interface IssuerKey {
  readonly key: DirectoryKey;
  /** 32 bytes: what its tokens answer to. */
  readonly challengeDigest: Bytes;
}

/** Other devices of this person have drawn too, or the key was retired this moment: a smaller batch, or another key, may do. */
function countToTryAgain(error: unknown, count: number): number | undefined {
  if (!(error instanceof VpnApiError)) return undefined;
  if (error.code === 'key_retired') return count;
  const { code, remaining = 0 } = error;
  return code === 'token_quota_exceeded' && remaining > 0 && remaining < count ? remaining : undefined;
}

/** The batch goes. Another may be signed today: by another key, of fewer tokens, or once there is a subscription. */
function afterRefusal(state: WalletState, batch: PendingBatch, error: unknown, now: number): WalletState {
  const settled = settlePending(state, batch.id, []);
  // Somebody else had settled it.
  if (settled === state) return state;
  const isInactive = error instanceof VpnApiError && error.code === 'subscription_inactive';
  const mayStillBeDrawn = isInactive || countToTryAgain(error, batch.tokens.length) !== undefined;
  return mayStillBeDrawn ? dueAgain(settled, batch, now) : settled;
}

/** Today's draw was stored as done when its batch was: it is due again when that batch gives nothing. */
function dueAgain(state: WalletState, { kind }: PendingBatch, now: number): WalletState {
  const { draw, ...undrawn } = state;
  return kind === 'daily' && draw !== undefined && draw.day > dayOf(now) ? undrawn : state;
}

/** Not after an answer that another network may have given, and not when a fresh sign-in may do. */
function isFinal(error: unknown): boolean {
  if (error instanceof TokenError) return true;
  const isRefusal = error instanceof VpnApiError && error.code !== 'unexpected_answer' && error.status !== 401;
  return isRefusal && !isTransient(error);
}

function decoded(text: string) {
  const bytes = fromBase64url(text);
  if (bytes === undefined) throw new TokenError('invalid_token_key', 'The wallet holds a batch that cannot be read.');
  return bytes;
}
