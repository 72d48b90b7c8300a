import { type Problem } from './api.gen.js';

export type TokenErrorCode =
  'invalid_token_key' | 'invalid_directory' | 'no_current_key' | 'invalid_challenge' | 'invalid_blind_signature';

/** The issuer's key, directory, challenge or signature is invalid. Nothing of the answer was used. */
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
 * - `challenge_differs`, `key_differs`: the two sides publish different challenges or keys
 * - `key_changed`: a key that both sides had published was replaced without being retired
 * - `key_vanished`: a key that both sides had published disappeared before its end without being retired
 * - `retirement_differs`: only one side lists a key as retired
 * - `key_returned`: a key that both sides had listed as retired is published again
 * - `too_many_keys`: so many keys are published at once that each could be meant for a few users
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
  challenge_differs: 'The gatekeeper and the anonymizer publish different challenges.',
  key_differs: 'The gatekeeper and the anonymizer publish different issuer keys.',
  key_changed: 'An issuer key was replaced before its end without being retired.',
  key_vanished: 'An issuer key disappeared before its end without being retired.',
  retirement_differs: 'Only one of gatekeeper and anonymizer lists an issuer key as retired.',
  key_returned: 'A retired issuer key is published again.',
  too_many_keys: 'The service publishes more issuer keys at once than it needs.',
};

/**
 * The issuer may show this client other keys than other clients. It could then recognise this user's tokens when they are
 * spent, so no token of such a key is fetched or spent. During the first seconds after an emergency change of keys this is
 * harmless.
 */
export class PartitioningSuspected extends Error {
  override readonly name = 'PartitioningSuspected';

  /** @param keyIds the keys whose tokens must not be used, base64url */
  constructor(
    readonly reason: PartitioningReason,
    readonly keyIds: readonly string[] = [],
  ) {
    super(explanations[reason]);
  }
}

/** No location matches the request, or the service offers none. */
export class LocationNotFound extends Error {
  override readonly name = 'LocationNotFound';

  /**
   * @param query what was requested; undefined for any location
   * @param available the ids of the locations that have room now
   */
  constructor(
    query: string | undefined,
    readonly available: readonly string[],
  ) {
    const others = available.length > 0 ? ` Available locations: ${available.join(', ')}.` : '';
    super(query === undefined ? 'The service offers no locations yet.' : `No location matches "${query}".${others}`);
  }
}

export type WalletErrorCode =
  /** The stored data is not a wallet, or was written by a newer version of this software. */
  | 'unreadable'
  /** Other processes keep changing the wallet, or the storage cannot be written. */
  | 'not_saved';

/** The wallet cannot be read or written. No token is lost: the client acts only on what it has saved. */
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
 * The service's problem codes (a newer service may have more), `unreachable` when no answer came, or `unexpected_answer` when
 * the answer is not in this service's format.
 */
export type ProblemCode = Problem['code'] | 'unreachable' | 'unexpected_answer' | (string & {});

export interface ApiProblem {
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail: string;
  readonly retryAfter?: number | undefined;
  readonly remaining?: number | undefined;
}

/** The service refused the request, gave an unexpected answer or could not be reached. */
export class VpnApiError extends Error {
  override readonly name = 'VpnApiError';
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  /** Stable, for programs. */
  readonly code: ProblemCode;
  /** An explanation for users. */
  readonly detail: string;
  /** How many seconds to wait before a retry, when the service says so. */
  readonly retryAfter?: number;
  /** With `token_quota_exceeded`: how many more tokens can be signed with the current key. */
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
