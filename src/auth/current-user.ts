import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

/** Whoever a request comes from, as `UserGuard` recognised them. */
export interface User {
  /** Joins the person's own rows. */
  readonly userId: string;
  /** Names the account at Firebase. */
  readonly firebaseUid: string;
  readonly email?: string;
  readonly emailVerified: boolean;
  /** Ways to sign in, such as `password`. */
  readonly signInProviders: readonly string[];
  /** When they signed in, not when the token was last refreshed. */
  readonly authTime: Date;
}

// Beside the request rather than on it: nothing that prints or copies a request meets the person.
const recognised = new WeakMap<object, User>();

export function rememberUser(request: object, person: User): void {
  recognised.set(request, person);
}

function userOf(_: unknown, context: ExecutionContext): User {
  const person = recognised.get(context.switchToHttp().getRequest<object>());
  if (person === undefined) throw new Error('@CurrentUser() needs @UseGuards(UserGuard) on its handler');
  return person;
}

/** The signed-in person, as a parameter of a handler behind `UserGuard`. */
export const CurrentUser = createParamDecorator(userOf);
