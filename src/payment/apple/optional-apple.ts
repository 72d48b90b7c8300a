import { AppError } from '../../platform/errors/index.js';
import { type AppleClient } from './apple.client.js';

/** The App Store, where the operator has set it up. */
export class OptionalApple {
  constructor(readonly client: AppleClient | undefined) {}

  /** @throws {AppError} `payment_provider_not_offered` */
  get(): AppleClient {
    if (this.client !== undefined) return this.client;
    throw new AppError('payment_provider_not_offered', 'This service takes no payments through the App Store.');
  }
}
