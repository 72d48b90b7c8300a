import { Injectable } from '@nestjs/common';
import { self } from '../platform/audit/index.js';
import { Clock } from '../platform/config/index.js';
import { FirebaseClient, FirebaseRefusal } from './firebase.client.js';
import { IdentityCacheInvalidationService } from './identity-cache-invalidation.service.js';
import { invalidIdToken } from './id-token-problems.js';
import { type User } from './current-user.js';
import { SignOutStore } from './sign-out.store.js';

/**
 * Ends every sign-in of a person, on every device, whatever is killed meanwhile:
 *
 *  1. One statement writes down when: sign-ins until then are let in nowhere here, from that moment. With it go the devices that
 *     pushes went to, and with it come the audit, the notices and a job.
 *  2. Whatever is remembered of the person is forgotten, on every replica.
 *  3. Firebase revokes their refresh tokens. The request itself asks for that; if it is killed, or Firebase is down, the job does.
 */
@Injectable()
export class SignOutService {
  constructor(
    private readonly firebase: FirebaseClient,
    private readonly forgetting: IdentityCacheInvalidationService,
    private readonly store: SignOutStore,
    private readonly clock: Clock,
  ) {}

  /** @throws {AppError} `invalid_id_token` for an account that is gone */
  async everywhere(
    { userId, firebaseUid }: Pick<User, 'userId' | 'firebaseUid'>,
    by: { readonly actor: string; readonly reason: string } = { actor: self, reason: 'asked' },
  ): Promise<void> {
    const act = { ...by, at: this.clock.now(), action: 'account.sign_out_everywhere', userId };
    if (!(await this.store.begin(act))) throw invalidIdToken('The account no longer exists.');
    await this.forgetting.forget(firebaseUid);
    // What fails here, the job does over.
    await this.finish(userId).catch(() => undefined);
  }

  /** Step 3. Not over again: it would end the sign-ins that came after. */
  async finish(userId: string): Promise<void> {
    const signedOut = await this.store.find(userId);
    if (signedOut === undefined) return;
    const { firebaseUid, signedOutAt } = signedOut;
    const account = await this.firebase.lookUp(firebaseUid);
    if (account === undefined || account.tokensValidAfter >= signedOutAt) return;
    await this.firebase.revokeSignIns(firebaseUid).catch((error: unknown) => {
      if (!(error instanceof FirebaseRefusal && error.reason === 'no_such_account')) throw error;
    });
    await this.forgetting.forget(firebaseUid);
  }
}
