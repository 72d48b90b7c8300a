import { Injectable } from '@nestjs/common';
import { ProviderRefusal } from '../providers/provider-errors.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import { CustomersStore } from './customers.store.js';

/** Keeps the e-mail address at Stripe, where receipts go, equal to the user's. */
@Injectable()
export class CustomerEmailService {
  constructor(
    private readonly customers: CustomersStore,
    private readonly stripe: OptionalStripe,
  ) {}

  /**
   * Sets the address at Stripe, and repeats until the user's address has not changed meanwhile: of two changes, the older
   * request might reach Stripe last. An unverified address is not sent, because receipts show what the user paid: Stripe
   * keeps the former address until the new one is verified.
   *
   * @param emailAtStripe the address that Stripe already has, if known
   * @throws {ProviderUnavailable}
   */
  async sync(userId: string, emailAtStripe?: string | null): Promise<void> {
    const { stripeCustomerId, email, emailVerified } = (await this.customers.byId(userId)) ?? {};
    if (typeof stripeCustomerId !== 'string' || email === undefined || email === emailAtStripe) return;
    if (this.stripe.client === undefined || (email !== null && emailVerified !== true)) return;
    try {
      await this.stripe.client.setEmail(stripeCustomerId, email);
    } catch (error) {
      if (!(error instanceof ProviderRefusal)) throw error;
      // A deleted customer gets no receipts. If Stripe rejects the address, remove the former one: it may belong to another
      // user by now.
      if (error.why === 'missing' || email === null) return;
      await this.stripe.client.setEmail(stripeCustomerId, null);
    }
    return this.sync(userId, email);
  }
}
