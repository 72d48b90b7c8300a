import { Inject, Injectable } from '@nestjs/common';
import { type User } from '../auth/index.js';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { TrialGrants } from './trial-grant.js';
import { TrialsStore } from './trials.store.js';

/** The user of a trial that a provider gives. */
export interface TrialUser {
  readonly firebaseUid: string;
  readonly email: string | null;
  readonly emailVerified: boolean;
  /** Fingerprint of the card or bank account, if the provider has one. */
  readonly paymentMethod?: string;
}

/** Allows one trial per user and per payment method, from this service or from a provider. */
@Injectable()
export class TrialsService {
  private readonly grants: TrialGrants;

  constructor(
    private readonly store: TrialsStore,
    private readonly clock: Clock,
    @Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig,
  ) {
    this.grants = new TrialGrants(config.secretKey);
  }

  /**
   * The hashes under which a user's trial is recorded, also for the export of their data. An address counts only once it is
   * verified: otherwise a user could learn whether another user's address had a trial, or use up that trial.
   */
  hashesOf({ firebaseUid, email, emailVerified }: Pick<User, 'firebaseUid' | 'email' | 'emailVerified'>): Buffer[] {
    const hasVerifiedEmail = email !== undefined && emailVerified;
    return hasVerifiedEmail ? this.grants.hashesOf(firebaseUid, email) : [this.grants.hashOfAccount(firebaseUid)];
  }

  /** The hashes that identify providers' trials in `claimed_by`. @param providerRefs of their subscriptions */
  claimHashesOf(providerRefs: readonly string[]): Buffer[] {
    return providerRefs.map((providerRef) => this.grants.hashOfTrial(providerRef));
  }

  /** Length of the trial that a user may still have; 0 if none. A user without a verified address gets none. */
  async trialDaysFor({ firebaseUid, email, emailVerified }: User): Promise<number> {
    const { trialDays } = this.config;
    if (trialDays === 0 || email === undefined || !emailVerified) return 0;
    return (await this.store.anyUsed(this.grants.hashesOf(firebaseUid, email))) ? 0 : trialDays;
  }

  /**
   * Records a trial that a provider has started.
   *
   * @param providerRef identifies the trial; a repeated call with it has the same result
   * @returns false if the user or the payment method had another trial: this one must end
   */
  async claim(providerRef: string, { paymentMethod, ...user }: TrialUser): Promise<boolean> {
    const hashes = [
      ...this.hashesOf({ ...user, email: user.email ?? undefined }),
      ...(paymentMethod === undefined ? [] : [this.grants.hashOfPaymentMethod(paymentMethod)]),
    ];
    return this.store.claim({ hashes, claimedBy: this.grants.hashOfTrial(providerRef), grantedOn: this.clock.now() });
  }
}
