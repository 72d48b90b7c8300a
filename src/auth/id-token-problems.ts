import { AppError } from '../platform/errors/index.js';

/** RFC 6750 §3: the challenge names only the scheme if the request has no credentials, and also the error if they are bad. */
export function missingIdToken(): AppError {
  return new AppError('missing_id_token', 'Expected "Authorization: Bearer <Firebase ID token>".', {
    headers: { 'www-authenticate': 'Bearer' },
  });
}

export function invalidIdToken(detail: string): AppError {
  return new AppError('invalid_id_token', detail, { headers: { 'www-authenticate': 'Bearer error="invalid_token"' } });
}

/** Problems that every endpoint for signed-in users may return. */
export const signInProblems = [
  'missing_id_token',
  'invalid_id_token',
  'rate_limited',
  'identity_provider_unavailable',
  'unavailable',
] as const;
