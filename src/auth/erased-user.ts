import { type AppError, violatedForeignKey } from '../platform/errors/index.js';
import { invalidIdToken } from './id-token-problems.js';

/** Translates a write for a user who was erased during the request: it violates a foreign key to the user's row. */
export function erasedUser(error: unknown): AppError | undefined {
  const isOurs = violatedForeignKey(error)?.endsWith('_user_id_fkey') === true;
  return isOurs ? invalidIdToken('The account no longer exists.') : undefined;
}
