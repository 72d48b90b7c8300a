import { Injectable } from '@nestjs/common';
import {
  FirebaseClient,
  IdentityCacheInvalidationService,
  IdentityCacheService,
  type User,
  requireRecentSignIn,
} from '../auth/index.js';
import { PaymentClosingService } from '../payment/index.js';
import { self } from '../platform/audit/index.js';
import { Clock } from '../platform/config/index.js';
import { SubscriptionService } from '../subscription/index.js';
import { type DeletionBegun } from './account.schema.js';
import { AccountDeletionStore } from './account-deletion.store.js';

/**
 * Deletes accounts, whatever is killed meanwhile:
 *
 *  1. One statement marks the account as leaving, and adds the job. From then on its owner is let in nowhere.
 *  2. Stripe ends the subscriptions and forgets the customer, and any whom a failed checkout left there. First: money must
 *     not go on being taken from somebody whom nobody here knows any more.
 *  3. Firebase deletes the account that they signed in with.
 *  4. One statement erases the person, and with them whatever refers to them. Payments stay for the books, without a person.
 *
 * Each step may be repeated, so a job that was killed begins again at 2. The mark outlives the account by a day, longer than
 * any token: a late request finds it and makes no new row. A late event of a provider finds no customer.
 */

const dayMs = 86_400_000;
const reviveAfterMs = 10 * 60_000;

@Injectable()
export class AccountDeletionService {
  constructor(
    private readonly store: AccountDeletionStore,
    private readonly payments: PaymentClosingService,
    private readonly subscriptions: SubscriptionService,
    private readonly firebase: FirebaseClient,
    private readonly forgetting: IdentityCacheInvalidationService,
    private readonly people: IdentityCacheService,
    private readonly clock: Clock,
  ) {}

  /**
   * Asks the provider at that moment whether it still stands by the sign-in: whoever was signed out has no minute left for this.
   *
   * @throws {AppError} `recent_sign_in_required`, `invalid_id_token`, `identity_provider_unavailable`
   */
  async askedFor(person: User): Promise<DeletionBegun> {
    requireRecentSignIn(person, this.clock.now());
    await this.people.confirm(person);
    return this.begin(person, { actor: self, reason: 'asked' });
  }

  /** Begins; the rest follows by itself. */
  async begin(
    { userId, firebaseUid }: Pick<User, 'userId' | 'firebaseUid'>,
    by: { readonly actor: string; readonly reason: string },
  ): Promise<DeletionBegun> {
    const { sources } = await this.subscriptions.accessNow(userId);
    const renewing = sources.some(({ provider, until, cancelAtPeriodEnd }) => {
      return provider === 'apple' && until !== null && !cancelAtPeriodEnd;
    });
    await this.store.begin({ ...by, at: this.clock.now(), action: 'account.delete', userId });
    await this.forgetting.forget(firebaseUid);
    return { stillBilledBy: renewing ? ['apple'] : [] };
  }

  /** From step 2. @param attempt which of its job, from 1 */
  async finish(userId: string, attempt: number): Promise<void> {
    for (;;) {
      const leaving = await this.store.leaving(userId);
      if (leaving === undefined) return;
      const closed = await this.payments.close(userId, attempt);
      await this.firebase.deleteAccount(leaving.firebaseUid);
      await this.forgetting.forget(leaving.firebaseUid);
      if (await this.store.erase(userId, closed, this.clock.now())) return;
    }
  }

  /** Adds the jobs that were given up. */
  async revive(): Promise<void> {
    await this.store.revive(this.ago(reviveAfterMs));
  }

  /** Drops the marks of accounts that were erased a day ago. */
  async purge(): Promise<void> {
    await this.store.purge(this.ago(dayMs));
  }

  private ago(milliseconds: number): Date {
    return new Date(this.clock.now().getTime() - milliseconds);
  }
}
