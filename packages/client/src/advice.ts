import { type Problem } from './api.gen.js';
import { LocationNotFound, PartitioningSuspected, TokenError, VpnApiError } from './errors.js';

export type Action =
  /** Do the same again later. */
  | 'retry'
  /** Offer other locations, or wait for room. */
  | 'choose_location'
  /** Have the person sign in again. */
  | 'sign_in'
  /** Have the person prove their e-mail address. */
  | 'verify_email'
  /** Offer a subscription. */
  | 'subscribe'
  /** Today's tokens are used up: wait. */
  | 'wait'
  /** It is not as it was read: read it again, show that, and let the person decide anew. */
  | 'read_again'
  /** The connection is over: connect anew. */
  | 'reconnect'
  /** The device's clock is wrong. */
  | 'check_clock'
  /** The service does not treat this person like everybody else, or may not: warn, and use no token. */
  | 'do_not_trust'
  /** App and service do not understand each other: look for a newer app. */
  | 'update_app'
  /** A fault of the app or its storage. */
  | 'report';

export interface Advice {
  readonly action: Action;
  /** Seconds to wait first, when the service named them. */
  readonly retryAfter?: number;
}

const actions: Readonly<Partial<Record<Problem['code'] | 'unreachable', Action>>> = {
  missing_id_token: 'sign_in',
  invalid_id_token: 'sign_in',
  recent_sign_in_required: 'sign_in',
  email_not_verified: 'verify_email',
  precondition_failed: 'read_again',
  device_not_found: 'read_again',
  subscription_inactive: 'subscribe',
  trial_already_used: 'subscribe',
  trial_not_offered: 'subscribe',
  token_quota_exceeded: 'wait',
  no_capacity: 'choose_location',
  unknown_location: 'choose_location',
  connection_not_found: 'reconnect',
  // A fresh attempt takes another token, or makes another key.
  token_reused: 'retry',
  token_expired: 'retry',
  unknown_key: 'retry',
  invalid_signature: 'retry',
  public_key_in_use: 'retry',
  location_changed: 'retry',
  key_retired: 'retry',
  rate_limited: 'retry',
  unreachable: 'retry',
};

/** What an app should do about an error of this SDK, whatever it is. */
export function adviceFor(error: unknown): Advice {
  if (error instanceof VpnApiError) {
    const known: Readonly<Partial<Record<string, Action>>> = actions;
    const action = known[error.code] ?? (error.status >= 500 ? 'retry' : 'update_app');
    return { action, ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }) };
  }
  if (error instanceof TokenError) return { action: error.code === 'no_current_key' ? 'check_clock' : 'do_not_trust' };
  if (error instanceof PartitioningSuspected) return { action: 'do_not_trust' };
  if (error instanceof LocationNotFound) return { action: 'choose_location' };
  return { action: 'report' };
}
