import { AppError } from '../platform/errors/index.js';
import { type User } from './current-user.js';

const recentMs = 5 * 60_000;

/**
 * For actions that a thief with an unlocked device must not be able to take.
 *
 * @throws {AppError} `recent_sign_in_required` if the user signed in more than five minutes ago, even if the token is newer
 */
export function requireRecentSignIn({ authTime }: User, now: Date): void {
  if (now.getTime() - authTime.getTime() <= recentMs) return;
  throw new AppError('recent_sign_in_required', 'Sign in again, then repeat the request within five minutes.');
}
