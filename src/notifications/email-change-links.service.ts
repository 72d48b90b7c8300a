import { Injectable } from '@nestjs/common';
import { FirebaseClient, FirebaseRefusal, FirebaseUnavailable } from '../auth/index.js';
import { Clock } from '../platform/config/index.js';
import { later, type Outcome, refused } from './channel.js';
import { type PendingDelivery } from './delivery.store.js';

/** Whoever asked for a link yesterday expects none any more. */
const freshMs = 60 * 60_000;

/** Makes the links that give an account another address, at the moment they are mailed: they are kept nowhere. */
@Injectable()
export class EmailChangeLinksService {
  constructor(
    private readonly firebase: FirebaseClient,
    private readonly clock: Clock,
  ) {}

  /**
   * @returns the link; or what becomes of the mail, when the address is another account's, the request is old, or the sign-ins
   * of its time were ended since: then it was perhaps not the owner who asked
   */
  async make({
    firebaseUid,
    address,
    causedAt,
  }: PendingDelivery & { address: string }): Promise<{ link: string } | Outcome> {
    if (this.clock.now().getTime() - causedAt.getTime() > freshMs) return refused('too_old');
    if (firebaseUid === null) return refused('no_such_account');
    try {
      // By its UID: the address that a row has may meanwhile be another account's.
      const account = await this.firebase.lookUp(firebaseUid);
      if (account?.email === undefined || account.disabled) return refused('no_such_account');
      if (account.tokensValidAfter > causedAt) return refused('signed_out');
      return { link: await this.firebase.emailChangeLink(account.email, address) };
    } catch (error) {
      if (error instanceof FirebaseRefusal) return refused(error.reason);
      if (error instanceof FirebaseUnavailable) return later('identity_provider');
      throw error;
    }
  }
}
