export type TokenErrorCode =
  'invalid_token_key' | 'invalid_directory' | 'invalid_challenge' | 'invalid_blind_signature';

/** The issuer sent something that no token may be made of. Nothing of the answer was used. */
export class TokenError extends Error {
  override readonly name = 'TokenError';

  constructor(
    readonly code: TokenErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/**
 * The two sides do not publish the same key and challenge. Whoever signs with a key of one's own recognises one's tokens
 * when they are spent, so no token is fetched. For some seconds after an emergency change of keys this is innocent.
 */
export class PartitioningSuspected extends Error {
  override readonly name = 'PartitioningSuspected';
}

/** What a VpnApiError is made of. */
export interface ApiProblem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly retryAfter?: number | undefined;
}

/** The service refused, answered nonsense or could not be reached. */
export class VpnApiError extends Error {
  override readonly name = 'VpnApiError';
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  /** Stable: the problem's `code`, else `unreachable` (no answer) or `unexpected_answer` (not one of this service's). */
  readonly code: string;
  /** For people. */
  readonly detail: string;
  /** Seconds to wait before trying again, when the service named them. */
  readonly retryAfter?: number;

  constructor({ status, code, detail, retryAfter }: ApiProblem, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.status = status;
    this.code = code;
    this.detail = detail;
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
  }
}
