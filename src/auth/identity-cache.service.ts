import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Clock } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { type FirebaseAccount, FirebaseClient, FirebaseUnavailable } from './firebase.client.js';
import { invalidIdToken } from './id-token-problems.js';
import { LeastRecentlyUsed } from './least-recently-used.js';
import { type User } from './current-user.js';
import { type UserRow, UsersStore } from './users.store.js';

/** A person's token may outlive its revocation by this long. */
const askAgainMs = 60_000;
/** While the provider is down, whoever it vouched for within this time is let through. */
const trustMs = 10 * 60_000;
const maxCachedUsers = 50_000;

const trustedUnasked = new Counter({
  name: 'identity_provider_cached_answers_total',
  help: 'People let through on an earlier answer because the identity provider did not answer.',
});

/** What the provider last said of one account. */
interface Known {
  /** Undefined: there is no such account (any more). */
  readonly account: FirebaseAccount | undefined;
  readonly answeredAt: number;
  askedAt: number;
  row?: Promise<UserRow>;
}

/** What a verified token says of its bearer. */
export interface TokenUser {
  readonly uid: string;
  readonly authTime: Date;
}

/**
 * Knows who stands behind a verified ID token, and whether the provider still stands by it.
 *
 * A token's signature is checked in this process, so it says nothing of what came after: revoked, disabled, deleted. That is
 * looked up at the provider, at most once a minute per person, and remembered here with what our own row says of it. A row is made for somebody new only
 * after such a look-up, or the last token of a deleted account would bring it back.
 */
@Injectable()
export class IdentityCacheService {
  private readonly known = new LeastRecentlyUsed<string, Known>(maxCachedUsers);
  /** The newest question about each person that is still on its way. */
  private readonly questions = new Map<string, Promise<Known>>();

  constructor(
    private readonly firebase: FirebaseClient,
    private readonly users: UsersStore,
    private readonly clock: Clock,
  ) {}

  /**
   * @throws {AppError} `invalid_id_token` for an account that is gone or disabled, or a sign-in before its tokens were
   * revoked; `identity_provider_unavailable` when the provider is down and has not vouched for them within ten minutes
   */
  async recognise(bearer: TokenUser): Promise<User> {
    return this.admit(bearer, await this.recentAnswer(bearer.uid));
  }

  /**
   * Asks the provider now, for acts that a minute-old answer must not allow.
   *
   * @throws {AppError} as `recognise`, but without trusting an earlier answer
   */
  async confirm({ firebaseUid, authTime }: User): Promise<User> {
    const answer = await this.ask(firebaseUid).catch((error: unknown) => {
      throw providerProblem(error);
    });
    return this.admit({ uid: firebaseUid, authTime }, answer);
  }

  /** Drops what is remembered of a person, and what a question on its way will say: for when their account has changed. */
  forget(firebaseUid: string): void {
    this.known.delete(firebaseUid);
    this.questions.delete(firebaseUid);
  }

  private async admit({ uid, authTime }: TokenUser, known: Known): Promise<User> {
    const { account } = known;
    if (account === undefined) throw invalidIdToken('The account no longer exists.');
    if (account.disabled) throw invalidIdToken('The account is disabled.');
    if (authTime < account.tokensValidAfter) throw revoked();
    const { email, emailVerified, signInProviders } = account;
    const { id: userId, signedOutAt } = await this.rowOf(uid, known);
    // Both are whole seconds: whoever signs in in the second of a sign-out is taken for whom it shuts out.
    if (signedOutAt !== null && authTime <= signedOutAt) throw revoked();
    return { userId, firebaseUid: uid, email, emailVerified, signInProviders, authTime };
  }

  private async recentAnswer(uid: string): Promise<Known> {
    const now = this.clock.now().getTime();
    const recent = this.known.get(uid);
    if (recent !== undefined && now - recent.askedAt < askAgainMs) return recent;
    try {
      return await (this.questions.get(uid) ?? this.ask(uid));
    } catch (error) {
      const trusted = this.known.get(uid);
      const trustworthy = trusted !== undefined && now - trusted.answeredAt < trustMs;
      if (!(error instanceof FirebaseUnavailable) || !trustworthy) throw providerProblem(error);
      trustedUnasked.inc();
      trusted.askedAt = now;
      return trusted;
    }
  }

  /** The answer is remembered unless a newer question was asked, or the person forgotten, while it was on its way. */
  private ask(uid: string): Promise<Known> {
    const now = this.clock.now().getTime();
    const question = this.firebase.lookUp(uid).then((account) => {
      const answer: Known = { account, answeredAt: now, askedAt: now };
      if (this.isNewest(uid, question)) this.known.set(uid, answer);
      return answer;
    });
    this.questions.set(uid, question);
    return question.finally(() => {
      if (this.isNewest(uid, question)) this.questions.delete(uid);
    });
  }

  private isNewest(uid: string, question: Promise<Known>): boolean {
    return this.questions.get(uid) === question;
  }

  private rowOf(uid: string, known: Known): Promise<UserRow> {
    const { email, emailVerified = false, signInProviders = [] } = known.account ?? {};
    known.row ??= this.users
      .provision({ firebaseUid: uid, email, emailVerified, signInProviders }, this.clock.now())
      .then((row) => {
        if (row === undefined) throw invalidIdToken('The account is being deleted, or was.');
        return row;
      })
      .catch((error: unknown) => {
        known.row = undefined;
        throw error;
      });
    return known.row;
  }
}

const revoked = () => invalidIdToken('The ID token was revoked. Sign in again.');

/** A provider that does not answer is a problem to tell; any other error stays what it is. */
export function providerProblem(error: unknown): unknown {
  if (!(error instanceof FirebaseUnavailable)) return error;
  return new AppError('identity_provider_unavailable', 'The identity provider does not answer. Try again.', {
    headers: { 'retry-after': '5' },
  });
}
