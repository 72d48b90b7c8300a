import { type Problem } from './api.gen.js';
import { LocationNotFound, PartitioningSuspected, TokenError, VpnApiError } from './errors.js';

export type Action =
  /** Retry later. */
  | 'retry'
  /** Offer other locations, or wait until one has room. */
  | 'choose_location'
  /** Ask the user to sign in again. */
  | 'sign_in'
  /** Ask the user to verify their e-mail address. */
  | 'verify_email'
  /** Offer a subscription. */
  | 'subscribe'
  /** Today's tokens are used up: wait. */
  | 'wait'
  /** The data has changed since it was read: read it again, show it, and let the user decide again. */
  | 'read_again'
  /** The connection has ended: connect again. */
  | 'reconnect'
  /** Ask the user to check the device's clock. */
  | 'check_clock'
  /** The service may treat this user differently from others: warn the user, and use no token. */
  | 'do_not_trust'
  /** The app and the service are incompatible: ask the user to update the app. */
  | 'update_app'
  /** A fault of the app or its storage: report it to the app's developers. */
  | 'report';

export interface Advice {
  readonly action: Action;
  /** How many seconds to wait first, when the service says so. */
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
  // A retry uses another token or another key pair.
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

/** What an app should do about an error that this SDK threw. */
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
