import { AppError } from '../../platform/errors/index.js';
import { ProviderUnavailable } from '../providers/provider-errors.js';
import { type AppleClient } from './apple.client.js';

/** The App Store, where the operator has set it up. */
export class OptionalApple {
  constructor(readonly client: AppleClient | undefined) {}

  /** @throws {AppError} `payment_provider_not_offered` */
  get(): AppleClient {
    if (this.client !== undefined) return this.client;
    throw new AppError('payment_provider_not_offered', 'This service takes no payments through the App Store.');
  }

  /** For what is to be done once the operator has set it up again. @throws {ProviderUnavailable} */
  required(): AppleClient {
    if (this.client !== undefined) return this.client;
    throw new ProviderUnavailable('apple', 'not_configured');
  }
}
