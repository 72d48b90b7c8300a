import { Injectable } from '@nestjs/common';
import { CheckoutStore } from '../checkout/checkout.store.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import { type StripeClient } from '../stripe/stripe.client.js';
import { ProviderFetchesService } from '../webhooks/provider-fetches.service.js';
import { CustomersStore } from './customers.store.js';

/** Ends what an account pays for, when the account is to end. */
@Injectable()
export class PaymentClosingService {
  constructor(
    private readonly customers: CustomersStore,
    private readonly checkouts: CheckoutStore,
    private readonly stripe: OptionalStripe,
    private readonly fetches: ProviderFetchesService,
  ) {}

  /**
   * Has Stripe end and forget all it holds of a person, at once and without money back. What was bought in the App Store only
   * the person can end. All that was paid is written into the books first, and once more when nothing more can be: the event of
   * a payment may come when nobody has the customer any more. Safe to repeat.
   *
   * @param attempt of the job that closes, from 1: what the books refuse every time holds up nobody's deletion for ever
   * @returns the customer that was closed; the account may be erased while it has no other
   * @throws {ProviderUnavailable} when Stripe cannot be asked: the account must not be erased then
   */
  async close(userId: string, attempt: number): Promise<string | null> {
    const { stripeCustomerId: customer = null, email = null } = (await this.customers.byId(userId)) ?? {};
    if (customer !== null) await this.settle(this.stripe.required(), customer, attempt);
    await this.endUnknownCustomers(userId, email);
    return customer;
  }

  /** A checkout that failed may have made a customer whom nobody wrote down. No money was ever theirs. */
  private async endUnknownCustomers(userId: string, email: string | null): Promise<void> {
    const { client } = this.stripe;
    if (client === undefined || !(await this.checkouts.hasTried(userId))) return;
    for (const customer of await client.customersOf(userId, email)) await client.deleteCustomer(customer);
  }

  private async settle(stripe: StripeClient, customer: string, attempt: number): Promise<void> {
    const books = { provider: 'stripe', objectRef: customer } as const;
    await this.fetches.fetch(books, { attempt });
    await stripe.deleteCustomer(customer);
    await this.fetches.fetch(books, { attempt });
  }
}
