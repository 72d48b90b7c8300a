import { Injectable } from '@nestjs/common';
import { self } from '../platform/audit/index.js';
import { Clock } from '../platform/config/index.js';
import { FirebaseClient, FirebaseRefusal } from './firebase.client.js';
import { IdentityCacheInvalidationService } from './identity-cache-invalidation.service.js';
import { invalidIdToken } from './id-token-problems.js';
import { type User } from './current-user.js';
import { SignOutStore } from './sign-out.store.js';

/**
 * Revokes all sign-ins of a user on every device, even if a process is killed on the way:
 *
 *  1. One statement stores the time of the sign-out: from then on, earlier sign-ins are refused. The same statement removes the
 *     user's push devices, writes the audit event and enqueues the notifications and a job.
 *  2. Every replica drops its cached entry of the user.
 *  3. Firebase revokes the refresh tokens. The request does this itself; the job does it if the request fails or is killed.
 */
@Injectable()
export class SignOutService {
  constructor(
    private readonly firebase: FirebaseClient,
    private readonly identityCacheInvalidation: IdentityCacheInvalidationService,
    private readonly store: SignOutStore,
    private readonly clock: Clock,
  ) {}

  /** @throws {AppError} `invalid_id_token` if the account no longer exists */
  async everywhere(
    { userId, firebaseUid }: Pick<User, 'userId' | 'firebaseUid'>,
    by: { readonly actor: string; readonly reason: string } = { actor: self, reason: 'asked' },
  ): Promise<void> {
    const act = { ...by, at: this.clock.now(), action: 'account.sign_out_everywhere', userId };
    if (!(await this.store.begin(act))) throw invalidIdToken('The account no longer exists.');
    await this.identityCacheInvalidation.invalidate(firebaseUid);
    // If this fails, the job does it.
    await this.finish(userId).catch(() => undefined);
  }

  /** Step 3. Skipped if it is done already: repeating it would revoke sign-ins that were made since. */
  async finish(userId: string): Promise<void> {
    const signedOut = await this.store.find(userId);
    if (signedOut === undefined) return;
    const { firebaseUid, signedOutAt } = signedOut;
    const account = await this.firebase.fetchAccount(firebaseUid);
    if (account === undefined || account.tokensValidAfter >= signedOutAt) return;
    await this.firebase.revokeSignIns(firebaseUid).catch((error: unknown) => {
      if (!(error instanceof FirebaseRefusal && error.reason === 'no_such_account')) throw error;
    });
    await this.identityCacheInvalidation.invalidate(firebaseUid);
  }
}
