import { type AppError, violatedForeignKey } from '../platform/errors/index.js';
import { invalidIdToken } from './id-token-problems.js';

/** Something was written for a user who was erased after their token was looked at: every such constraint refers to their row. */
export function erasedUser(error: unknown): AppError | undefined {
  const isOurs = violatedForeignKey(error)?.endsWith('_user_id_fkey') === true;
  return isOurs ? invalidIdToken('The account no longer exists.') : undefined;
}
