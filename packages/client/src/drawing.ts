import { type Anonymizer } from './anonymizer.js';
import { fromBase64url, fromBigInt, toBase64url, toBigInt } from './bytes.js';
import { TokenError, VpnApiError } from './errors.js';
import { type OnEvent } from './events.js';
import { type Gatekeeper } from './gatekeeper.js';
import { agree, seenKeyOf } from './key-consistency.js';
import { isTransient } from './retrying.js';
import { blindBatch, finalize } from './token.js';
import { parseTokenKey } from './token-key.js';
import { nextDraw, planAfter, type PlannedDraw } from './wallet/draw-plan.js';
import {
  addPending,
  type DrawKind,
  type PendingBatch,
  settlePending,
  type WalletState,
  withoutKeys,
} from './wallet/state.js';
import { type Wallet } from './wallet/wallet.js';
import { type VpnToken } from './wire.js';

export interface DrawingParts {
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
export class Drawing {
  constructor(private readonly parts: DrawingParts) {}

  /** Draws today's tokens if their moment has come, and finishes what was begun. */
  async drawIfDue(): Promise<number> {
    const finished = await this.finishPending();
    const { wallet, now, random, tokensPerDay } = this.parts;
    const chance = random();
    const { due, plan } = await wallet.change((state) => {
      const next = nextDraw(state.draw, now(), chance);
      return [next.due ? state : { ...state, draw: next.plan }, next];
    });
    return due ? finished + (await this.draw('daily', tokensPerDay, plan)) : finished;
  }

  /** Draws out of turn, for a wallet that has run dry. */
  async drawNow(): Promise<number> {
    return (await this.finishPending()) || this.draw('extra', this.parts.tokensPerDay);
  }

  private async draw(kind: DrawKind, count: number, plan?: PlannedDraw): Promise<number> {
    try {
      return await this.finish(await this.begin(kind, count, plan));
    } catch (error) {
      const again = countToTryAgain(error, count);
      if (again === undefined) throw error;
      // The plan has moved on already.
      return this.finish(await this.begin(kind, again));
    }
  }

  /** Makes a batch and stores it. With a plan, tomorrow's draw is stored in the same step: no two processes draw for a day. */
  private async begin(kind: DrawKind, count: number, plan?: PlannedDraw): Promise<PendingBatch> {
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
      if (plan !== undefined && !nextDraw(state.draw, now(), chance).due) return [state, false];
      return [addPending(state, batch, plan && planAfter(plan, chance)), true];
    });
    return isOurs ? batch : { ...batch, tokens: [] };
  }

  private async finishPending(): Promise<number> {
    const { pending } = await this.parts.wallet.read();
    if (pending.length === 0) return 0;
    await this.agreement();
    let count = 0;
    for (const batch of pending) count += await this.finish(batch);
    return count;
  }

  /** @returns how many tokens it gave */
  private async finish(batch: PendingBatch): Promise<number> {
    if (batch.tokens.length === 0) return 0;
    const { wallet, onEvent } = this.parts;
    let tokens: VpnToken[];
    try {
      tokens = await this.signed(batch);
    } catch (error) {
      // Refused for good, or not to be trusted: these blinded tokens are never asked for again.
      if (isFinal(error)) await wallet.update((state) => afterRefusal(settlePending(state, batch.id, []), error));
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

  /** What both sides agree on; tokens of keys that were retired meanwhile go. */
  private async agreement() {
    const { gatekeeper, anonymizer, wallet, now, onEvent } = this.parts;
    const [ours, theirs, { seen }] = await Promise.all([gatekeeper.directory(), anonymizer.directory(), wallet.read()]);
    const { retired, ...agreement } = await agree(ours, theirs, seen, now());
    await forgetRetired(wallet, retired, onEvent);
    return agreement;
  }
}

/** Tokens of keys that an operator has ended are worthless. */
export async function forgetRetired(wallet: Wallet, keyIds: readonly string[], onEvent: OnEvent): Promise<void> {
  if (keyIds.length === 0) return;
  const tokens = await wallet.change((state) => {
    const rest = withoutKeys(state, keyIds);
    return [rest, state.tokens.length - rest.tokens.length];
  });
  onEvent({ type: 'tokens_lost', tokens, reason: 'retired' });
}

/** Other devices of this person have drawn too, or the key was retired this moment: a smaller batch, or another key, may do. */
function countToTryAgain(error: unknown, count: number): number | undefined {
  if (!(error instanceof VpnApiError)) return undefined;
  if (error.code === 'key_retired') return count;
  const { code, remaining = 0 } = error;
  return code === 'token_quota_exceeded' && remaining > 0 && remaining < count ? remaining : undefined;
}

/** Without a subscription nothing was drawn today: with one, today's draw is due. */
function afterRefusal({ draw, ...state }: WalletState, error: unknown): WalletState {
  const isInactive = error instanceof VpnApiError && error.code === 'subscription_inactive';
  return isInactive || draw === undefined ? state : { ...state, draw };
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
