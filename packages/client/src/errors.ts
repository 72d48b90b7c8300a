import { type Problem } from './api.gen.js';

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

/**
 * The service's own codes (a newer service may have more), `unreachable` when no answer came, `unexpected_answer` when the
 * answer is not one of this service's.
 */
export type ProblemCode = Problem['code'] | 'unreachable' | 'unexpected_answer' | (string & {});

/** What a VpnApiError is made of. */
export interface ApiProblem {
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail: string;
  readonly retryAfter?: number | undefined;
}

/** The service refused, answered nonsense or could not be reached. */
export class VpnApiError extends Error {
  override readonly name = 'VpnApiError';
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  /** Stable. */
  readonly code: ProblemCode;
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
