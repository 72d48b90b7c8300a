import { Injectable } from '@nestjs/common';
import { FirebaseClient, FirebaseRefusal, FirebaseUnavailable } from '../auth/index.js';
import { Clock } from '../platform/config/index.js';
import { retryLater, type Outcome, refused } from './channel.js';
import { type PendingDelivery } from './delivery.store.js';

/** After this, the user no longer expects the link. */
const maxRequestAgeMs = 60 * 60_000;

/** Creates the links that confirm a new e-mail address, at the moment they are mailed. They are stored nowhere. */
@Injectable()
export class EmailChangeLinksService {
  constructor(
    private readonly firebase: FirebaseClient,
    private readonly clock: Clock,
  ) {}

  /**
   * @returns the link; or the outcome of the delivery if there is none: the address belongs to another account, the request is
   * too old, or the sign-ins of that time were revoked since, so the request may not be the owner's
   */
  async make({
    firebaseUid,
    address,
    causedAt,
  }: PendingDelivery & { address: string }): Promise<{ link: string } | Outcome> {
    if (this.clock.now().getTime() - causedAt.getTime() > maxRequestAgeMs) return refused('too_old');
    if (firebaseUid === null) return refused('no_such_account');
    try {
      // By UID: the address in our row may belong to another account by now.
      const account = await this.firebase.fetchAccount(firebaseUid);
      if (account?.email === undefined || account.disabled) return refused('no_such_account');
      if (account.tokensValidAfter > causedAt) return refused('signed_out');
      return { link: await this.firebase.emailChangeLink(account.email, address) };
    } catch (error) {
      if (error instanceof FirebaseRefusal) return refused(error.reason);
      if (error instanceof FirebaseUnavailable) return retryLater('identity_provider');
      throw error;
    }
  }
}
