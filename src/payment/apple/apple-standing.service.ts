import { Injectable } from '@nestjs/common';
import { ProviderSubscriptionsService } from '../../subscription/index.js';
import { ProviderFetchesService } from '../webhooks/provider-fetches.service.js';
import { OptionalApple } from './optional-apple.js';

/** What the App Store says now of the subscriptions that a person is known to have, or to have had, there. */
@Injectable()
export class AppleStandingService {
  constructor(
    private readonly apple: OptionalApple,
    private readonly subscriptions: ProviderSubscriptionsService,
    private readonly fetches: ProviderFetchesService,
  ) {}

  /**
   * Looks all of them up, and writes what it learns: one that has ended may have been bought again a moment ago.
   *
   * @returns false if one of them cannot be read here: it may well be paid. What Apple itself does not know is not.
   * @throws {ProviderUnavailable}
   */
  async isUnderstood(userId: string): Promise<boolean> {
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
