import { Injectable } from '@nestjs/common';
import { CustomersStore } from '../customers/customers.store.js';
import { ProviderRefusal } from '../providers/provider-errors.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';

/**
 * Expires a user's open checkout when they get access in another way, so that they do not pay twice.
 *
 * The event is committed together with the access, so this service looks for open checkouts after that. `CheckoutService`
 * checks access after it has opened a checkout. So at least one of the two notices the other.
 */
@Injectable()
export class CheckoutExpiryService {
  constructor(
    private readonly customers: CustomersStore,
    private readonly stripe: OptionalStripe,
  ) {}

  async expireOpen(userId: string): Promise<void> {
    const customer = (await this.customers.byId(userId))?.stripeCustomerId ?? null;
    if (customer === null || this.stripe.client === undefined) return;
    await this.stripe.client.expireCheckouts(customer).catch((error: unknown) => {
      // A customer that was deleted at Stripe has no checkout.
      if (!(error instanceof ProviderRefusal)) throw error;
    });
  }
}
