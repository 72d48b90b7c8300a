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

/** Purchases that the app shows us: bought just now, or restored on another device. */
@Injectable()
export class AppleClaimsService {
  constructor(
    private readonly apple: OptionalApple,
    private readonly customers: CustomersStore,
    private readonly subscriptions: ProviderSubscriptionsService,
    private readonly service: SubscriptionService,
    private readonly fetches: ProviderFetchesService,
  ) {}

  /** What ties a purchase to this account, if the app gives it to StoreKit. */
  async accountToken({ userId }: User): Promise<string> {
    this.apple.get();
    const customer = await this.customers.byId(userId);
    if (customer === undefined) throw new AppError('invalid_id_token', 'The account no longer exists.');
    return customer.appleAccountToken;
  }

  /**
   * Gives a subscription to the account that shows it, unless it is another's. Repeating it changes nothing.
   *
   * @param signedTransaction StoreKit's `jwsRepresentation`
   * @throws {AppError} `purchase_not_valid`, `purchase_of_another_account`, `unknown_product`,
   * `payment_provider_not_offered`, `payment_provider_unavailable`
   */
  async claim(person: User, signedTransaction: string): Promise<SubscriptionReport> {
    const client = this.apple.get();
    try {
      const { originalTransactionId: id, type } = await client.verifyTransaction(signedTransaction);
      if (id === undefined || type !== 'Auto-Renewable Subscription') throw notValid('This is no subscription.');
      const { deadLetterReason } = await this.fetches.fetch(
        { provider: 'apple', objectRef: id },
        { claimant: person.userId },
      );
      if (deadLetterReason === 'unknown_price')
        throw new AppError('unknown_product', 'This product is not mapped to a plan yet.');
      const owner = await this.subscriptions.ownerOf(`apple:${id}`);
      if (owner === undefined) throw notValid('The App Store does not know this subscription of this app.');
      if (owner !== person.userId) {
        throw new AppError(
          'purchase_of_another_account',
          'This subscription belongs to another account of this service.',
        );
      }
    } catch (error) {
      throw error instanceof AppleDataError ? notValid(error.message) : paymentProblem(error);
    }
    return this.service.report(person);
  }
}

const notValid = (detail: string) => new AppError('purchase_not_valid', detail);
