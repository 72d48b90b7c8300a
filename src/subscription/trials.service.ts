import { Inject, Injectable } from '@nestjs/common';
import { type User } from '../auth/index.js';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { TrialGrants } from './trial-grant.js';
import { TrialsStore } from './trials.store.js';

/** Who had the trial that a provider gives. */
export interface TrialUser {
  readonly firebaseUid: string;
  readonly email: string | null;
  readonly emailVerified: boolean;
  /** Names the card or bank account, where the provider tells. */
  readonly paymentMethod?: string;
}

/** One trial per person and per way to pay, whoever gives it: this service or a provider. */
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
   * What a trial of theirs is remembered by, for the export of what is held on them. An address counts only once it is proven:
   * whether somebody else's had a trial is nobody's business, and nobody may use it up for them.
   */
  hashesOf({ firebaseUid, email, emailVerified }: Pick<User, 'firebaseUid' | 'email' | 'emailVerified'>): Buffer[] {
    const isTheirs = email !== undefined && emailVerified;
    return isTheirs ? this.grants.hashesOf(firebaseUid, email) : [this.grants.hashOfAccount(firebaseUid)];
  }

  /** The names under which trials that providers gave remember what they were given for. */
  holdersOf(providerRefs: readonly string[]): Buffer[] {
    return providerRefs.map((providerRef) => this.grants.hashOfTrial(providerRef));
  }

  /** How long a trial a person may still have; 0 for none, as for everyone without a verified address. */
  async daysDue({ firebaseUid, email, emailVerified }: User): Promise<number> {
    const { trialDays } = this.config;
    if (trialDays === 0 || email === undefined || !emailVerified) return 0;
    return (await this.store.anyHad(this.grants.hashesOf(firebaseUid, email))) ? 0 : trialDays;
  }

  /**
   * Remembers a trial that a provider has begun to give.
   *
   * @param providerRef which trial it is: asked again, it gets the same answer
   * @returns whether it may go on; not if the person, or the card, had another
   */
  async claim(providerRef: string, { paymentMethod, ...person }: TrialUser): Promise<boolean> {
    const hashes = [
      ...this.hashesOf({ ...person, email: person.email ?? undefined }),
      ...(paymentMethod === undefined ? [] : [this.grants.hashOfPaymentMethod(paymentMethod)]),
    ];
    return this.store.claim({ hashes, claimedBy: this.grants.hashOfTrial(providerRef), grantedOn: this.clock.now() });
  }
}
