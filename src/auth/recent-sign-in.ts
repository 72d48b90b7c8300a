import { AppError } from '../platform/errors/index.js';
import { type User } from './current-user.js';

const recentMs = 5 * 60_000;

/**
 * For acts that whoever picked up an unlocked device must not do.
 *
 * @throws {AppError} `recent_sign_in_required` for a sign-in more than five minutes ago, however fresh its token
 */
export function requireRecentSignIn({ authTime }: User, now: Date): void {
  if (now.getTime() - authTime.getTime() <= recentMs) return;
  throw new AppError('recent_sign_in_required', 'Sign in again, and do this within five minutes of it.');
}
