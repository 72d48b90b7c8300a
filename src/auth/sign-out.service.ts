import { Injectable } from '@nestjs/common';
import { Clock } from '../config/index.js';
import { self } from '../prisma/identity/index.js';
import { FirebaseClient, FirebaseRefusal } from './firebase.client.js';
import { Forgetting } from './forgetting.service.js';
import { invalidIdToken } from './id-token-problems.js';
import { providerProblem } from './people.service.js';
import { type Person } from './person.js';
import { SignOutStore } from './sign-out.store.js';

/** Ends every sign-in of a person, on every device: at the provider, and in what is remembered of it here. */
@Injectable()
export class SignOut {
  constructor(
    private readonly firebase: FirebaseClient,
    private readonly forgetting: Forgetting,
    private readonly store: SignOutStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Safe to repeat: a kill after the provider has revoked leaves nobody signed in, and the repeat writes it down.
   *
   * @throws {AppError} `identity_provider_unavailable`: then nothing has changed
   */
  async everywhere(
    { userId, firebaseUid }: Pick<Person, 'userId' | 'firebaseUid'>,
    by: { readonly actor: string; readonly reason: string } = { actor: self, reason: 'asked' },
  ): Promise<void> {
    await this.firebase.revokeSignIns(firebaseUid).catch((error: unknown) => {
      throw error instanceof FirebaseRefusal ? invalidIdToken('The account no longer exists.') : providerProblem(error);
    });
    await this.forgetting.forget(firebaseUid);
    await this.store.record({ ...by, at: this.clock.now(), action: 'account.sign_out_everywhere', userId });
  }
}
