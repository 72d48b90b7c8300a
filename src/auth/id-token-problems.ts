import { AppError } from '../platform/errors/index.js';

/** RFC 6750 §3: a request without credentials is told the scheme alone, one with bad credentials also the error. */
export function missingIdToken(): AppError {
  return new AppError('missing_id_token', 'Expected "Authorization: Bearer <Firebase ID token>".', {
    headers: { 'www-authenticate': 'Bearer' },
  });
}

export function invalidIdToken(detail: string): AppError {
  return new AppError('invalid_id_token', detail, { headers: { 'www-authenticate': 'Bearer error="invalid_token"' } });
}

/** What every endpoint for a signed-in person may answer, whoever asks and for what. */
export const signInProblems = [
  'missing_id_token',
  'invalid_id_token',
  'rate_limited',
  'identity_provider_unavailable',
  'unavailable',
] as const;
