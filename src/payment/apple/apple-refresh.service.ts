import { Injectable } from '@nestjs/common';
import { ProviderSubscriptionsService } from '../../subscription/index.js';
import { ProviderFetchesService } from '../webhooks/provider-fetches.service.js';
import { OptionalApple } from './optional-apple.js';

/** Fetches a user's App Store subscriptions again, before the user may pay elsewhere. */
@Injectable()
export class AppleRefreshService {
  constructor(
    private readonly apple: OptionalApple,
    private readonly subscriptions: ProviderSubscriptionsService,
    private readonly fetches: ProviderFetchesService,
  ) {}

  /**
   * Fetches and stores all known ones, also those that have ended: the user may have bought one again a moment ago.
   *
   * @returns false if the service cannot interpret one of them, which may be paid. One that Apple refuses counts as not paid.
   * @throws {ProviderUnavailable}
   */
  async refreshAll(userId: string): Promise<boolean> {
    if (this.apple.client === undefined) return true;
    const refs = await this.subscriptions.refsOf(userId, 'apple');
    const outcomes = await Promise.all(
      refs.map((ref) => this.fetches.fetch({ provider: 'apple', objectRef: ref.replace('apple:', '') })),
    );
    return outcomes.every(
      ({ deadLetterReason }) => deadLetterReason === undefined || deadLetterReason.startsWith('refused_'),
    );
  }
}
