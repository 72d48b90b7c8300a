import { describe, expect, it } from 'vitest';
import { type Action, adviceFor } from './advice.js';
import { LocationNotFound, PartitioningSuspected, TokenError, VpnApiError, WalletError } from './errors.js';

const api = (status: number, code: string, retryAfter?: number) =>
  new VpnApiError({ status, code, detail: '', retryAfter });

describe('adviceFor', () => {
  it.each<[Action, unknown]>([
    ['sign_in', api(401, 'invalid_id_token')],
    ['sign_in', api(403, 'recent_sign_in_required')],
    ['read_again', api(412, 'precondition_failed')],
    ['verify_email', api(403, 'email_not_verified')],
    ['subscribe', api(403, 'subscription_inactive')],
    ['wait', api(429, 'token_quota_exceeded')],
    ['choose_location', api(503, 'no_capacity')],
    ['choose_location', new LocationNotFound('x', [])],
    ['retry', api(0, 'unreachable')],
    ['retry', api(503, 'unavailable')],
    ['retry', api(500, 'internal_error')],
    ['retry', api(502, 'unexpected_answer')],
    ['retry', api(409, 'token_reused')],
    ['reconnect', api(404, 'connection_not_found')],
    ['update_app', api(200, 'unexpected_answer')],
    ['update_app', api(400, 'a code of the future')],
    ['check_clock', new TokenError('no_current_key', '')],
    ['do_not_trust', new TokenError('invalid_blind_signature', '')],
    ['do_not_trust', new PartitioningSuspected('key_differs')],
    ['report', new WalletError('unreadable', '')],
    ['report', new TypeError('a bug')],
    ['report', undefined],
  ])('advises to %s after %s', (action, error) => {
    expect(adviceFor(error).action).toBe(action);
  });

  it('includes how long to wait', () => {
    expect(adviceFor(api(429, 'token_quota_exceeded', 3600))).toEqual({ action: 'wait', retryAfter: 3600 });
  });
});
