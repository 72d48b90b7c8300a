import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Clock } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { type FirebaseAccount, FirebaseClient, FirebaseUnavailable } from './firebase.client.js';
import { invalidIdToken } from './id-token-problems.js';
import { LeastRecentlyUsed } from './least-recently-used.js';
import { type User } from './current-user.js';
import { type UserRow, UsersStore } from './users.store.js';

/** How long an entry is used before it is fetched again. A revoked token may stay valid for this long. */
const maxAgeMs = 60_000;
/** How long an entry is used while the provider is down. */
const maxStaleMs = 10 * 60_000;
const maxCachedUsers = 50_000;

const cachedAnswers = new Counter({
  name: 'identity_provider_cached_answers_total',
  help: 'Requests that were authenticated from the cache because the identity provider did not respond.',
});

/** The last known state of one account at the provider. */
interface CacheEntry {
  /** Undefined if the account does not exist (any more). */
  readonly account: FirebaseAccount | undefined;
  readonly fetchedAt: number;
  checkedAt: number;
  row?: Promise<UserRow>;
}

/** The user of a verified token. */
export interface TokenUser {
  readonly uid: string;
  readonly authTime: Date;
}

/**
 * Identifies the user of a verified ID token, and checks that the account is still valid at the provider.
 *
 * The signature of a token does not show what happened after it was issued: the account may be revoked, disabled or deleted.
 * This service fetches the account from the provider, at most once a minute per user, and caches it together with our own row.
 * A new user gets a row only after such a fetch; otherwise the last token of a deleted account would create it again.
 */
@Injectable()
export class IdentityCacheService {
  private readonly entries = new LeastRecentlyUsed<string, CacheEntry>(maxCachedUsers);
  /** The latest fetch of each user that has not completed yet. */
  private readonly pendingFetches = new Map<string, Promise<CacheEntry>>();

  constructor(
    private readonly firebase: FirebaseClient,
    private readonly users: UsersStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Identifies the user, from the cache if the entry is recent.
   *
   * @throws {AppError} `invalid_id_token` if the account is deleted or disabled, or the sign-in was revoked;
   * `identity_provider_unavailable` if the provider is down and the cached entry is missing or older than ten minutes
   */
  async identify(tokenUser: TokenUser): Promise<User> {
    return this.admit(tokenUser, await this.freshEntry(tokenUser.uid));
  }

  /**
   * Fetches the account now, for actions that must not rely on a cached entry.
   *
   * @throws {AppError} as `identify`, but also if the provider is down and an entry is cached
   */
  async confirm({ firebaseUid, authTime }: User): Promise<User> {
    const entry = await this.fetchEntry(firebaseUid).catch((error: unknown) => {
      throw providerProblem(error);
    });
    return this.admit({ uid: firebaseUid, authTime }, entry);
  }

  /** Drops the cached entry of a user and the result of any running fetch, because the account has changed. */
  invalidate(firebaseUid: string): void {
    this.entries.delete(firebaseUid);
    this.pendingFetches.delete(firebaseUid);
  }

  private async admit({ uid, authTime }: TokenUser, entry: CacheEntry): Promise<User> {
    const { account } = entry;
    if (account === undefined) throw invalidIdToken('The account no longer exists.');
    if (account.disabled) throw invalidIdToken('The account is disabled.');
    if (authTime < account.tokensValidAfter) throw revoked();
    const { email, emailVerified, signInProviders } = account;
    const { id: userId, signedOutAt } = await this.rowFor(uid, entry);
    // Both are whole seconds: a sign-in in the same second as the sign-out is refused too.
    if (signedOutAt !== null && authTime <= signedOutAt) throw revoked();
    return { userId, firebaseUid: uid, email, emailVerified, signInProviders, authTime };
  }

  private async freshEntry(uid: string): Promise<CacheEntry> {
    const now = this.clock.now().getTime();
    const recent = this.entries.get(uid);
    if (recent !== undefined && now - recent.checkedAt < maxAgeMs) return recent;
    try {
      return await (this.pendingFetches.get(uid) ?? this.fetchEntry(uid));
    } catch (error) {
      const stale = this.entries.get(uid);
      const isUsable = stale !== undefined && now - stale.fetchedAt < maxStaleMs;
      if (!(error instanceof FirebaseUnavailable) || !isUsable) throw providerProblem(error);
      cachedAnswers.inc();
      stale.checkedAt = now;
      return stale;
    }
  }

  /** Caches the result unless a newer fetch began, or the entry was invalidated, in the meantime. */
  private fetchEntry(uid: string): Promise<CacheEntry> {
    const now = this.clock.now().getTime();
    const fetching = this.firebase.fetchAccount(uid).then((account) => {
      const entry: CacheEntry = { account, fetchedAt: now, checkedAt: now };
      if (this.isLatestFetch(uid, fetching)) this.entries.set(uid, entry);
      return entry;
    });
    this.pendingFetches.set(uid, fetching);
    return fetching.finally(() => {
      if (this.isLatestFetch(uid, fetching)) this.pendingFetches.delete(uid);
    });
  }

  private isLatestFetch(uid: string, fetching: Promise<CacheEntry>): boolean {
    return this.pendingFetches.get(uid) === fetching;
  }

  private rowFor(uid: string, entry: CacheEntry): Promise<UserRow> {
    const { email, emailVerified = false, signInProviders = [] } = entry.account ?? {};
    entry.row ??= this.users
      .provision({ firebaseUid: uid, email, emailVerified, signInProviders }, this.clock.now())
      .then((row) => {
        if (row === undefined) throw invalidIdToken('The account is deleted or being deleted.');
        return row;
      })
      .catch((error: unknown) => {
        entry.row = undefined;
        throw error;
      });
    return entry.row;
  }
}

const revoked = () => invalidIdToken('The ID token was revoked. Sign in again.');

/** Translates an unavailable provider into a problem for the client. Any other error is returned unchanged. */
export function providerProblem(error: unknown): unknown {
  if (!(error instanceof FirebaseUnavailable)) return error;
  return new AppError(
    'identity_provider_unavailable',
    'The identity provider does not respond. Try again in a few seconds.',
    {
      headers: { 'retry-after': '5' },
    },
  );
}
