import { type Problem } from './api.gen.js';

export type TokenErrorCode =
  'invalid_token_key' | 'invalid_directory' | 'no_current_key' | 'invalid_challenge' | 'invalid_blind_signature';

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
 * - `challenge_differs`, `key_differs`: the two sides publish different ones
 * - `key_changed`: another key stands where both sides had published one, and that one was not retired
 * - `key_vanished`: a key that both sides had published is gone before its time, and was not retired
 * - `retirement_differs`: one side calls a key retired, the other does not
 * - `key_returned`: a key that both sides had called retired is published again
 * - `too_many_keys`: so many keys at once that each could be for a few people
 */
export type PartitioningReason =
  | 'challenge_differs'
  | 'key_differs'
  | 'key_changed'
  | 'key_vanished'
  | 'retirement_differs'
  | 'key_returned'
  | 'too_many_keys';

const explanations: Readonly<Record<PartitioningReason, string>> = {
  challenge_differs: 'The two sides publish different challenges.',
  key_differs: 'The two sides publish different keys.',
  key_changed: 'A key was replaced within its time without having been retired.',
  key_vanished: 'A key that was published is gone before its time without having been retired.',
  retirement_differs: 'One side says that a key was retired, the other does not.',
  key_returned: 'A key that was retired is published again.',
  too_many_keys: 'More keys are live than everybody together needs.',
};

/**
 * The issuer's keys are not what everybody must see alike. Whoever signs with a key of one's own recognises one's tokens when
 * they are spent, so no token of such a key is fetched or spent. For some seconds after an emergency change of keys this is
 * innocent.
 */
export class PartitioningSuspected extends Error {
  override readonly name = 'PartitioningSuspected';

  /** @param keyIds the keys whose tokens are not to be used, base64url */
  constructor(
    readonly reason: PartitioningReason,
    readonly keyIds: readonly string[] = [],
  ) {
    super(explanations[reason]);
  }
}

/** No location is as asked for, or there is none at all. */
export class LocationNotFound extends Error {
  override readonly name = 'LocationNotFound';

  /**
   * @param wanted undefined when any would have done
   * @param available the ids of those that have room now
   */
  constructor(
    wanted: string | undefined,
    readonly available: readonly string[],
  ) {
    const others = available.length > 0 ? ` There is: ${available.join(', ')}.` : '';
    super(wanted === undefined ? 'No location is offered yet.' : `No location is called "${wanted}".${others}`);
  }
}

export type WalletErrorCode =
  /** What is stored is not a wallet, or one of a newer version of this software. */
  | 'unreadable'
  /** Others keep changing it, or the storage cannot be written. */
  | 'not_saved';

/** The wallet cannot be read or written. No token is lost: what was not saved was not done. */
export class WalletError extends Error {
  override readonly name = 'WalletError';

  constructor(
    readonly code: WalletErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
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
  readonly remaining?: number | undefined;
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
  /** With `token_quota_exceeded`: how many more tokens the current key would sign. */
  readonly remaining?: number;

  constructor({ status, code, detail, retryAfter, remaining }: ApiProblem, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.status = status;
    this.code = code;
    this.detail = detail;
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
    if (remaining !== undefined) this.remaining = remaining;
  }
}
