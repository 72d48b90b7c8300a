import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/config/index.js';
import { type PaymentProvider } from '../prisma/identity/index.js';
import { type FetchedSubscription, ProviderSubscriptionsStore } from './provider-subscriptions.store.js';

/** Stores the subscriptions that were fetched from providers. */
@Injectable()
export class ProviderSubscriptionsService {
  constructor(
    private readonly store: ProviderSubscriptionsStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Stores a user's fetched subscriptions, except those that a later fetch has already written.
   *
   * @param fetchVersion the fencing token, drawn before the fetch
   * @returns whether anything has changed
   */
  async record(userId: string, fetched: readonly FetchedSubscription[], fetchVersion: bigint): Promise<boolean> {
    let changed = false;
    const now = this.clock.now();
    for (const one of fetched) changed = (await this.store.record(userId, one, fetchVersion, now)) || changed;
    return changed;
  }

  /** As `record`, for all of a user's subscriptions at one provider: those that were not fetched have ended. */
  async recordAll(
    userId: string,
    provider: PaymentProvider,
    fetched: readonly FetchedSubscription[],
    fetchVersion: bigint,
  ): Promise<boolean> {
    const changed = await this.record(userId, fetched, fetchVersion);
    const refs = fetched.map(({ providerRef }) => providerRef);
    return (await this.store.endOthers(userId, provider, refs, fetchVersion, this.clock.now())) || changed;
  }

  /** `providerRef`s of all of a user's subscriptions at a provider, also ended ones. */
  async refsOf(userId: string, provider: PaymentProvider): Promise<string[]> {
    return this.store.refsOf(userId, provider);
  }

  /** Id of the subscription's user; undefined if it is not stored. */
  async ownerOf(providerRef: string): Promise<string | undefined> {
    return this.store.ownerOf(providerRef);
  }
}
