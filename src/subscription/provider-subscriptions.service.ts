import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/config/index.js';
import { type PaymentProvider } from '../prisma/identity/index.js';
import { type FetchedSubscription, ProviderSubscriptionsStore } from './provider-subscriptions.store.js';

/** What providers were found to hold, written down for whoever asks about access. */
@Injectable()
export class ProviderSubscriptionsService {
  constructor(
    private readonly store: ProviderSubscriptionsStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Writes a person's subscriptions as a look-up found them, where no later look-up has written.
   *
   * @param ticket taken before the look-up began
   * @returns whether anything is other than it was
   */
  async record(userId: string, fetched: readonly FetchedSubscription[], fetchVersion: bigint): Promise<boolean> {
    let changed = false;
    const now = this.clock.now();
    for (const one of fetched) changed = (await this.store.record(userId, one, fetchVersion, now)) || changed;
    return changed;
  }

  /** As `record`, of all that a person has at one provider: what is not among it has ended. */
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

  /** Our names for all that a person has, or had, at a provider. */
  async refsOf(userId: string, provider: PaymentProvider): Promise<string[]> {
    return this.store.refsOf(userId, provider);
  }

  /** Whose subscription it is, if it is anybody's. */
  async ownerOf(providerRef: string): Promise<string | undefined> {
    return this.store.ownerOf(providerRef);
  }
}
