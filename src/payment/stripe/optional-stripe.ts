import { AppError } from '../../platform/errors/index.js';
import { ProviderUnavailable } from '../providers/provider-errors.js';
import { type StripeClient } from './stripe.client.js';

/** The Stripe client, if the operator has set Stripe up. */
export class OptionalStripe {
  constructor(readonly client: StripeClient | undefined) {}

  /** @throws {AppError} `payment_provider_not_offered` */
  get(): StripeClient {
    if (this.client !== undefined) return this.client;
    throw new AppError('payment_provider_not_offered', 'This service does not accept payments through Stripe.');
  }

  /** For background work that should wait until the operator sets Stripe up again. @throws {ProviderUnavailable} */
  required(): StripeClient {
    if (this.client !== undefined) return this.client;
    throw new ProviderUnavailable('stripe', 'not_configured');
  }
}
