import { randomUUID } from 'node:crypto';
import { type Agent } from 'node:https';
import { type OnApplicationShutdown } from '@nestjs/common';
import { type App, deleteApp, FirebaseError, initializeApp } from 'firebase-admin/app';
import { type Auth, getAuth } from 'firebase-admin/auth';
import { z } from 'zod';
import { withTimeLimit } from '../platform/background/index.js';
import { type Clock } from '../platform/config/index.js';
import { appOptions, FirebaseAgent, type FirebaseClientOptions, withEmulatorHost } from './firebase-app.js';

export { type FirebaseClientOptions } from './firebase-app.js';

/** The claims of a verified ID token. */
export interface VerifiedIdToken {
  readonly uid: string;
  readonly email?: string;
  readonly emailVerified: boolean;
  /** When the user signed in; revocation compares it with `tokensValidAfter`. */
  readonly authTime: Date;
}

/** The current state of an account at Firebase. */
export interface FirebaseAccount {
  readonly disabled: boolean;
  /** Sign-ins before this time are revoked. */
  readonly tokensValidAfter: Date;
  readonly email?: string;
  readonly emailVerified: boolean;
  /** `password`, `google.com`, `apple.com`, …, in alphabetical order. */
  readonly signInProviders: readonly string[];
}

/** Firebase understood a change and refused it. */
export class FirebaseRefusal extends Error {
  constructor(readonly reason: 'email_in_use' | 'invalid_email' | 'no_such_account') {
    super('Firebase refused the change.');
    this.name = 'FirebaseRefusal';
  }
}

const refusalReasons: Readonly<Record<string, FirebaseRefusal['reason'] | undefined>> = {
  'auth/email-already-exists': 'email_in_use',
  'auth/invalid-email': 'invalid_email',
  'auth/user-not-found': 'no_such_account',
  // Links are requested by e-mail address, so a missing account has its own code there.
  'auth/email-not-found': 'no_such_account',
};

const faultMessages = {
  expired: 'The ID token has expired. Get a new one from Firebase.',
  from_the_future: 'The ID token is dated in the future. Check the clock of the machine that issued it.',
  invalid: 'Expected an ID token that Firebase signed for this project.',
};

export type FirebaseTokenFault = keyof typeof faultMessages;

/** The ID token is not valid. The message is safe to show to the client: it contains no part of the token. */
export class FirebaseTokenError extends Error {
  constructor(readonly reason: FirebaseTokenFault) {
    super(faultMessages[reason]);
    this.name = 'FirebaseTokenError';
  }
}

/** Firebase gave no usable response in time. This says nothing about the token or the account. */
export class FirebaseUnavailable extends Error {
  /** @param code for the log: `timeout`, `certificates` or the library's code. The library's messages may contain addresses. */
  constructor(readonly code: string) {
    super('Firebase is unavailable.');
    this.name = 'FirebaseUnavailable';
  }
}

/** The times in a token come from another machine's clock, in whole seconds. */
const maxClockSkewMs = 60_000;

/** Google's tokens have 1 to 2 kB; with the largest possible custom claims, 3 kB. */
const maxTokenLength = 8 * 1024;

const signedHeaderSchema = z.object({ alg: z.literal('RS256'), kid: z.string().min(1) });
const unsignedHeaderSchema = z.object({ alg: z.literal('none') });

const claimsSchema = z.object({
  sub: z.string().min(1).max(128),
  iat: z.int().nonnegative(),
  exp: z.int().nonnegative(),
  auth_time: z.int().nonnegative(),
  email: z.string().optional(),
  email_verified: z.boolean().default(false),
});

type Claims = z.output<typeof claimsSchema>;

/**
 * The parts of Firebase Auth that this service uses.
 *
 * ID tokens are verified locally by their RS256 signature. The only network request is for Google's certificates, when the
 * cached ones are past their max-age. Unsigned tokens are refused, with one exception: `emulatorHost` makes the library
 * accept the unsigned tokens of the Firebase emulator *instead*. The configuration refuses that setting in production.
 */
export class FirebaseClient implements OnApplicationShutdown {
  /** For other Firebase products of the same project. */
  readonly app: App;
  private readonly auth: Auth;
  private readonly agent: Agent | undefined;
  private readonly headerSchema: z.ZodType;
  private readonly timeoutMs: number;

  constructor(
    options: FirebaseClientOptions,
    private readonly clock: Clock,
  ) {
    this.timeoutMs = options.timeoutMs ?? 3_000;
    this.agent = options.emulatorHost === undefined ? new FirebaseAgent(this.timeoutMs, options.api) : undefined;
    this.app = initializeApp(appOptions(options, this.agent), `vpn-${randomUUID()}`);
    this.auth = withEmulatorHost(options.emulatorHost, () => getAuth(this.app));
    this.headerSchema = options.emulatorHost === undefined ? signedHeaderSchema : unsignedHeaderSchema;
  }

  /**
   * Verifies signature, audience, issuer and times. It does not check for revocation: for that, compare `authTime` with
   * `tokensValidAfter` from `fetchAccount`.
   *
   * Expiry is checked against two clocks: the library uses the machine's, we use `Clock`, which tests can move. The library
   * accepts times in the future; we do not.
   *
   * @throws {FirebaseTokenError} the token is not valid
   * @throws {FirebaseUnavailable} Google's certificates could not be fetched
   */
  async verifyIdToken(token: string): Promise<VerifiedIdToken> {
    assertWellFormed(token, this.headerSchema);
    const decoded = await this.withinTimeout(this.auth.verifyIdToken(token)).catch(rethrowVerification);
    const claims = claimsSchema.parse(decoded);
    this.assertCurrent(claims);
    return {
      uid: claims.sub,
      email: claims.email,
      emailVerified: claims.email_verified,
      authTime: fromSeconds(claims.auth_time),
    };
  }

  /**
   * Fetches the current state of an account.
   *
   * @returns undefined if the account does not exist (any more)
   * @throws {FirebaseUnavailable}
   */
  async fetchAccount(uid: string): Promise<FirebaseAccount | undefined> {
    try {
      const account = await this.withinTimeout(this.auth.getUser(uid));
      return {
        disabled: account.disabled,
        tokensValidAfter: new Date(account.tokensValidAfterTime ?? 0),
        email: account.email,
        emailVerified: account.emailVerified,
        signInProviders: account.providerData.map(({ providerId }) => providerId).sort(),
      };
    } catch (error) {
      if (codeOf(error) === 'auth/user-not-found') return undefined;
      throw unavailable(error);
    }
  }

  /** Revokes all sign-ins so far. @throws {FirebaseRefusal} and {FirebaseUnavailable} */
  async revokeSignIns(uid: string): Promise<void> {
    await this.runChange(this.auth.revokeRefreshTokens(uid));
  }

  /**
   * Creates a link that changes the e-mail address of an account. Opening the link verifies the new address and revokes all
   * sign-ins; until then nothing changes. https://firebase.google.com/docs/auth/admin/email-action-links
   *
   * @param email the current address of the account
   * @throws {FirebaseRefusal} and {FirebaseUnavailable}
   */
  async emailChangeLink(email: string, newEmail: string): Promise<string> {
    return this.runChange(this.auth.generateVerifyAndChangeEmailLink(email, newEmail));
  }

  /** Deletes the account. A missing account is not an error. @throws {FirebaseUnavailable} */
  async deleteAccount(uid: string): Promise<void> {
    await this.runChange(this.auth.deleteUser(uid)).catch((error: unknown) => {
      if (!(error instanceof FirebaseRefusal && error.reason === 'no_such_account')) throw error;
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await deleteApp(this.app);
    this.agent?.destroy();
  }

  private assertCurrent({ iat, auth_time, exp }: Claims): void {
    const now = this.clock.now().getTime();
    if (fromSeconds(exp).getTime() <= now) throw new FirebaseTokenError('expired');
    if (fromSeconds(Math.max(iat, auth_time)).getTime() > now + maxClockSkewMs)
      throw new FirebaseTokenError('from_the_future');
  }

  private async runChange<T>(response: Promise<T>): Promise<T> {
    try {
      return await this.withinTimeout(response);
    } catch (error) {
      const reason = refusalReasons[codeOf(error)];
      throw reason === undefined ? unavailable(error) : new FirebaseRefusal(reason);
    }
  }

  /** The library itself retries for more than half a minute, which is too long for our clients. */
  private async withinTimeout<T>(response: Promise<T>): Promise<T> {
    return withTimeLimit(this.timeoutMs, response, () => new FirebaseUnavailable('timeout'));
  }
}

/** Runs before the library: for a payload that is not an object, the library fails as if Google were unavailable. */
function assertWellFormed(token: string, header: z.ZodType): void {
  const parts = token.length <= maxTokenLength ? /^([\w-]+)\.([\w-]+)\.([\w-]*)$/.exec(token) : null;
  const matches = (schema: z.ZodType, part = '') => schema.safeParse(parseJson(part)).success;
  if (!matches(header, parts?.[1]) || !matches(claimsSchema, parts?.[2])) throw new FirebaseTokenError('invalid');
}

function parseJson(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch {
    return undefined;
  }
}

/**
 * The library reports both a failure to fetch certificates and a bad token as `auth/argument-error`. Only a message that
 * begins with "Firebase ID token has" concerns the token.
 */
function rethrowVerification(error: unknown): never {
  const code = codeOf(error);
  if (code === 'auth/id-token-expired') throw new FirebaseTokenError('expired');
  const isAboutToken = error instanceof FirebaseError && error.message.startsWith('Firebase ID token has ');
  if (code !== 'auth/argument-error') throw unavailable(error);
  throw isAboutToken ? new FirebaseTokenError('invalid') : new FirebaseUnavailable('certificates');
}

function unavailable(error: unknown): FirebaseUnavailable {
  return error instanceof FirebaseUnavailable ? error : new FirebaseUnavailable(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof FirebaseError ? error.code : 'unknown';
}

function fromSeconds(seconds: number): Date {
  return new Date(seconds * 1000);
}
