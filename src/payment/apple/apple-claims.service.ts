import { Injectable } from '@nestjs/common';
import { type User } from '../../auth/index.js';
import { AppError } from '../../platform/errors/index.js';
import {
  ProviderSubscriptionsService,
  type SubscriptionReport,
  SubscriptionService,
} from '../../subscription/index.js';
import { CustomersStore } from '../customers/customers.store.js';
import { paymentProblem } from '../providers/provider-errors.js';
import { ProviderFetchesService } from '../webhooks/provider-fetches.service.js';
import { AppleDataError } from './apple.client.js';
import { OptionalApple } from './optional-apple.js';

/** Purchases that an app claims for its user: bought just now, or restored on another device. */
@Injectable()
export class AppleClaimsService {
  constructor(
    private readonly apple: OptionalApple,
    private readonly customers: CustomersStore,
    private readonly subscriptions: ProviderSubscriptionsService,
    private readonly service: SubscriptionService,
    private readonly fetches: ProviderFetchesService,
  ) {}

  /** The token that the app passes to StoreKit, which ties the purchase to this account. */
  async accountToken({ userId }: User): Promise<string> {
    this.apple.get();
    const customer = await this.customers.byId(userId);
    if (customer === undefined) throw new AppError('invalid_id_token', 'The account no longer exists.');
    return customer.appleAccountToken;
  }

  /**
   * Gives a subscription to the account that claims it, unless it belongs to another account. Safe to repeat.
   *
   * @param signedTransaction StoreKit's `jwsRepresentation`
   * @throws {AppError} `purchase_not_valid`, `purchase_of_another_account`, `unknown_product`,
   * `payment_provider_not_offered`, `payment_provider_unavailable`
   */
  async claim(user: User, signedTransaction: string): Promise<SubscriptionReport> {
    const client = this.apple.get();
    try {
      const { originalTransactionId: id, type } = await client.verifyTransaction(signedTransaction);
      if (id === undefined || type !== 'Auto-Renewable Subscription')
        throw notValid('The transaction is not for an auto-renewable subscription.');
      const { deadLetterReason } = await this.fetches.fetch(
        { provider: 'apple', objectRef: id },
        { claimant: user.userId },
      );
      if (deadLetterReason === 'unknown_price')
        throw new AppError(
          'unknown_product',
          'The operator has not mapped this product to a plan yet. Contact support.',
        );
      const owner = await this.subscriptions.ownerOf(`apple:${id}`);
      if (owner === undefined) throw notValid('The App Store has no such subscription for this app.');
      if (owner !== user.userId) {
        throw new AppError(
          'purchase_of_another_account',
          'The subscription belongs to another account. Sign in with the account that bought it.',
        );
      }
    } catch (error) {
      throw error instanceof AppleDataError ? notValid(error.message) : paymentProblem(error);
    }
    return this.service.report(user);
  }
}

const notValid = (detail: string) => new AppError('purchase_not_valid', detail);
