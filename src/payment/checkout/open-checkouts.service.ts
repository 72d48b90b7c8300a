import { Injectable } from '@nestjs/common';
import { CustomersStore } from '../customers/customers.store.js';
import { ProviderRefusal } from '../providers/provider-errors.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';

/**
 * Closes the checkout that a person left open when they get access from elsewhere: they would pay twice. The event is
 * committed with what gives the access, so it looks for open checkouts afterwards; and whoever opens one asks for access
 * after opening it. One of the two sees the other.
 */
@Injectable()
export class OpenCheckoutsService {
  constructor(
    private readonly customers: CustomersStore,
    private readonly stripe: OptionalStripe,
  ) {}

  async close(userId: string): Promise<void> {
    const customer = (await this.customers.byId(userId))?.stripeCustomerId ?? null;
    if (customer === null || this.stripe.client === undefined) return;
    await this.stripe.client.expireCheckouts(customer).catch((error: unknown) => {
      // A customer who is gone at Stripe has no checkout.
      if (!(error instanceof ProviderRefusal)) throw error;
    });
  }
}
