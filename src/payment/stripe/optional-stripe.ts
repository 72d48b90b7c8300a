import { AppError } from '../../platform/errors/index.js';
import { ProviderUnavailable } from '../providers/provider-errors.js';
import { type StripeClient } from './stripe.client.js';

/** Stripe, where the operator has set it up. */
export class OptionalStripe {
  constructor(readonly client: StripeClient | undefined) {}

  /** @throws {AppError} `payment_provider_not_offered` */
  get(): StripeClient {
    if (this.client !== undefined) return this.client;
    throw new AppError('payment_provider_not_offered', 'This service takes no payments through Stripe.');
  }

  /** For what is to be done once the operator has set it up again. @throws {ProviderUnavailable} */
  required(): StripeClient {
    if (this.client !== undefined) return this.client;
    throw new ProviderUnavailable('stripe', 'not_configured');
  }
}
