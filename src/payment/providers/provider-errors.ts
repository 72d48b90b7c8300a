import { AppError } from '../../platform/errors/index.js';

/** Which provider; the words that people read. */
const providerNames = { stripe: 'Stripe', apple: 'Apple' } as const;
export type Provider = keyof typeof providerNames;

/** The provider gave no usable answer: down, slow, asking for patience, or refusing our key. Nothing is known; try again. */
export class ProviderUnavailable extends Error {
  /** @param code what happened, for the log: `timeout`, `status_503`, the library's own */
  constructor(
    readonly provider: Provider,
    readonly code: string,
  ) {
    super(`${providerNames[provider]} cannot be asked at the moment.`);
    this.name = 'ProviderUnavailable';
  }
}

/** The provider understood and said no; asking again changes nothing. */
export class ProviderRefusal extends Error {
  /**
   * @param code the provider's, such as `resource_missing` or `card_declined`
   * @param why the card or its bank declined; what was asked of is gone; or the request is none that can be granted
   */
  constructor(
    readonly provider: Provider,
    readonly code: string,
    readonly why: 'declined' | 'missing' | 'invalid' = 'invalid',
  ) {
    super(`${providerNames[provider]} refuses.`);
    this.name = 'ProviderRefusal';
  }
}

/** What a provider's failure means to the person who asked; any other error stays what it is. */
export function paymentProblem(error: unknown): unknown {
  if (error instanceof ProviderUnavailable) {
    const detail = `${providerNames[error.provider]} does not answer. What you asked for may have taken effect: see GET /subscription, or try again.`;
    return new AppError('payment_provider_unavailable', detail, { headers: { 'retry-after': '5' } });
  }
  if (!(error instanceof ProviderRefusal)) return error;
  return new AppError('payment_refused', `${providerNames[error.provider]} refuses this. See GET /subscription.`);
}
