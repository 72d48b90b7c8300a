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
 * Deletes accounts, even if a process is killed on the way:
 *
 *  1. One statement marks the account as being deleted, and adds the job. From then on the user is refused everywhere.
 *  2. Stripe ends the subscriptions and deletes the customer, and any other customer that a failed checkout left behind. This
 *     comes first: Stripe must not keep charging a user who no longer exists here.
 *  3. Firebase deletes the account.
 *  4. One statement erases the user and all rows that refer to the user. Payments stay for bookkeeping, without the user.
 *
 * Each step can be repeated, so a job that was killed starts again at step 2. The mark outlives the account by a day, which is
 * longer than any token: a late request finds the mark and creates no new row. A late provider event finds no customer.
 */

const dayMs = 86_400_000;
const requeueAfterMs = 10 * 60_000;

@Injectable()
export class AccountDeletionService {
  constructor(
    private readonly store: AccountDeletionStore,
    private readonly payments: PaymentClosingService,
    private readonly subscriptions: SubscriptionService,
    private readonly firebase: FirebaseClient,
    private readonly identityCacheInvalidation: IdentityCacheInvalidationService,
    private readonly identityCache: IdentityCacheService,
    private readonly clock: Clock,
  ) {}

  /**
   * Deletes the account at the user's own request. Checks the sign-in at the identity provider now, because a sign-in that was
   * just revoked must not delete anything.
   *
   * @throws {AppError} `recent_sign_in_required`, `invalid_id_token`, `identity_provider_unavailable`
   */
  async deleteOwn(user: User): Promise<DeletionBegun> {
    requireRecentSignIn(user, this.clock.now());
    await this.identityCache.confirm(user);
    return this.begin(user, { actor: self, reason: 'asked' });
  }

  /** Step 1. The job does the rest. */
  async begin(
    { userId, firebaseUid }: Pick<User, 'userId' | 'firebaseUid'>,
    by: { readonly actor: string; readonly reason: string },
  ): Promise<DeletionBegun> {
    const { sources } = await this.subscriptions.accessNow(userId);
    const renewing = sources.some(({ provider, until, cancelAtPeriodEnd }) => {
      return provider === 'apple' && until !== null && !cancelAtPeriodEnd;
    });
    await this.store.begin({ ...by, at: this.clock.now(), action: 'account.delete', userId });
    await this.identityCacheInvalidation.invalidate(firebaseUid);
    return { stillBilledBy: renewing ? ['apple'] : [] };
  }

  /** Steps 2 to 4. @param attempt of the job, counted from 1 */
  async finish(userId: string, attempt: number): Promise<void> {
    for (;;) {
      const pending = await this.store.findPending(userId);
      if (pending === undefined) return;
      const closedCustomer = await this.payments.close(userId, attempt);
      await this.firebase.deleteAccount(pending.firebaseUid);
      await this.identityCacheInvalidation.invalidate(pending.firebaseUid);
      if (await this.store.erase(userId, closedCustomer, this.clock.now())) return;
    }
  }

  /** Adds a new job for each deletion whose job has failed for good. */
  async requeueMissingJobs(): Promise<void> {
    await this.store.requeueMissingJobs(this.ago(requeueAfterMs));
  }

  /** Removes the marks of accounts that were erased a day ago. */
  async purge(): Promise<void> {
    await this.store.purge(this.ago(dayMs));
  }

  private ago(milliseconds: number): Date {
    return new Date(this.clock.now().getTime() - milliseconds);
  }
}
