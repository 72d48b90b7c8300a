import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

/** The signed-in user of a request, as `UserGuard` identified them. */
export interface User {
  /** The id of the user's row; every other row of the user refers to it. */
  readonly userId: string;
  /** The id of the account at Firebase. */
  readonly firebaseUid: string;
  readonly email?: string;
  readonly emailVerified: boolean;
  /** Ways to sign in, such as `password`. */
  readonly signInProviders: readonly string[];
  /** When the user signed in, not when the token was last refreshed. */
  readonly authTime: Date;
}

// Kept apart from the request object, so that code that logs or copies a request never includes the user.
const usersByRequest = new WeakMap<object, User>();

export function rememberUser(request: object, user: User): void {
  usersByRequest.set(request, user);
}

function userOf(_: unknown, context: ExecutionContext): User {
  const user = usersByRequest.get(context.switchToHttp().getRequest<object>());
  if (user === undefined) throw new Error('@CurrentUser() needs @UseGuards(UserGuard) on its handler');
  return user;
}

/** The signed-in user, as a parameter of a handler behind `UserGuard`. */
export const CurrentUser = createParamDecorator(userOf);
