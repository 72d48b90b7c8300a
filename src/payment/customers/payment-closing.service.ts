import { Injectable } from '@nestjs/common';
import { CheckoutStore } from '../checkout/checkout.store.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import { type StripeClient } from '../stripe/stripe.client.js';
import { ProviderFetchesService } from '../webhooks/provider-fetches.service.js';
import { CustomersStore } from './customers.store.js';

/** Ends an account's payments before the account is deleted. */
@Injectable()
export class PaymentClosingService {
  constructor(
    private readonly customers: CustomersStore,
    private readonly checkouts: CheckoutStore,
    private readonly stripe: OptionalStripe,
    private readonly fetches: ProviderFetchesService,
  ) {}

  /**
   * Deletes the user's customer at Stripe, which ends their subscriptions at once and without a refund. A subscription in the
   * App Store can only be ended by the user. Payments are recorded before the deletion, and again after it: once the account
   * is deleted, a late payment event would find no customer. Safe to repeat.
   *
   * @param attempt number of the job's attempt, from 1. After too many, a payment that cannot be stored no longer delays it
   * @returns the customer that was deleted. The account may be deleted only if it has no other customer by then
   * @throws {ProviderUnavailable} if Stripe does not answer: the account must not be deleted then
   */
  async close(userId: string, attempt: number): Promise<string | null> {
    const { stripeCustomerId: customer = null, email = null } = (await this.customers.byId(userId)) ?? {};
    if (customer !== null) await this.recordAndDelete(this.stripe.required(), customer, attempt);
    await this.deleteUnrecordedCustomers(userId, email);
    return customer;
  }

  /** A failed checkout may have created a customer that was not recorded here. Such a customer has never paid. */
  private async deleteUnrecordedCustomers(userId: string, email: string | null): Promise<void> {
    const { client } = this.stripe;
    if (client === undefined || !(await this.checkouts.hasEverStarted(userId))) return;
    for (const customer of await client.customersOf(userId, email)) await client.deleteCustomer(customer);
  }

  private async recordAndDelete(stripe: StripeClient, customer: string, attempt: number): Promise<void> {
    const target = { provider: 'stripe', objectRef: customer } as const;
    await this.fetches.fetch(target, { attempt });
    await stripe.deleteCustomer(customer);
    await this.fetches.fetch(target, { attempt });
  }
}
