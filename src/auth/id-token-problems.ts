import { AppError } from '../http/index.js';

/** RFC 6750 §3: a request without credentials is told the scheme alone, one with bad credentials also the error. */
export function missingIdToken(): AppError {
  return new AppError('missing_id_token', 'Expected "Authorization: Bearer <Firebase ID token>".', {
    headers: { 'www-authenticate': 'Bearer' },
  });
}

export function invalidIdToken(detail: string): AppError {
  return new AppError('invalid_id_token', detail, { headers: { 'www-authenticate': 'Bearer error="invalid_token"' } });
}
