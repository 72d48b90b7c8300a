import { AppError } from '../../platform/errors/index.js';
import { ProviderUnavailable } from '../providers/provider-errors.js';
import { type AppleClient } from './apple.client.js';

/** The App Store client, if the operator has set the App Store up. */
export class OptionalApple {
  constructor(readonly client: AppleClient | undefined) {}

  /** @throws {AppError} `payment_provider_not_offered` */
  get(): AppleClient {
    if (this.client !== undefined) return this.client;
    throw new AppError('payment_provider_not_offered', 'This service does not accept payments through the App Store.');
  }

  /** For background work that should wait until the operator sets the App Store up again. @throws {ProviderUnavailable} */
  required(): AppleClient {
    if (this.client !== undefined) return this.client;
    throw new ProviderUnavailable('apple', 'not_configured');
  }
}
