import { AppError } from '../../platform/errors/index.js';

/** The providers' names as users read them. */
const providerNames = { stripe: 'Stripe', apple: 'Apple' } as const;
export type Provider = keyof typeof providerNames;

/** The provider gave no usable answer: it is down or slow, limits our rate, or refuses our key. Retry later. */
export class ProviderUnavailable extends Error {
  /** @param code what happened, for the log: `timeout`, `status_503`, the library's own */
  constructor(
    readonly provider: Provider,
    readonly code: string,
  ) {
    super(`${providerNames[provider]} is not available.`);
    this.name = 'ProviderUnavailable';
  }
}

/** The provider understood the request and refused it. A retry would be refused too. */
export class ProviderRefusal extends Error {
  /**
   * @param code the provider's, such as `resource_missing` or `card_declined`
   * @param why `declined` by the card's bank; the object is `missing` at the provider; or the request is `invalid`
   */
  constructor(
    readonly provider: Provider,
    readonly code: string,
    readonly why: 'declined' | 'missing' | 'invalid' = 'invalid',
  ) {
    super(`${providerNames[provider]} refused the request.`);
    this.name = 'ProviderRefusal';
  }
}

/** Turns a provider's failure into the problem that the client is shown. Returns any other error unchanged. */
export function paymentProblem(error: unknown): unknown {
  if (error instanceof ProviderUnavailable) {
    const detail = `${providerNames[error.provider]} does not answer. The request may have taken effect: check GET /subscription, then try again.`;
    return new AppError('payment_provider_unavailable', detail, { headers: { 'retry-after': '5' } });
  }
  if (!(error instanceof ProviderRefusal)) return error;
  const detail = `${providerNames[error.provider]} refused the request. Check the current state with GET /subscription.`;
  return new AppError('payment_refused', detail);
}
