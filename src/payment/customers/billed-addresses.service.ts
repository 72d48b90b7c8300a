import { Injectable } from '@nestjs/common';
import { ProviderRefusal } from '../providers/provider-errors.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import { CustomersStore } from './customers.store.js';

/** Keeps the address that Stripe sends receipts to the one that the person has. */
@Injectable()
export class BilledAddressesService {
  constructor(
    private readonly customers: CustomersStore,
    private readonly stripe: OptionalStripe,
  ) {}

  /**
   * Tells Stripe the person's address until it is still theirs afterwards: of two changes, the older might arrive last. One that
   * is not proven yet waits, and the former stays: receipts say what somebody paid.
   *
   * @param told the address that Stripe has been told already, if it is known
   * @throws {ProviderUnavailable}
   */
  async bring(userId: string, told?: string | null): Promise<void> {
    const { stripeCustomerId, email, emailVerified } = (await this.customers.byId(userId)) ?? {};
    if (typeof stripeCustomerId !== 'string' || email === undefined || email === told) return;
    if (this.stripe.client === undefined || (email !== null && emailVerified !== true)) return;
    try {
      await this.stripe.client.setEmail(stripeCustomerId, email);
    } catch (error) {
      if (!(error instanceof ProviderRefusal)) throw error;
      // A customer who is gone gets no receipts. Whose address Stripe takes for none gets none either: the former may be
      // somebody else's by now.
      if (error.why === 'missing' || email === null) return;
      await this.stripe.client.setEmail(stripeCustomerId, null);
    }
    return this.bring(userId, email);
  }
}
