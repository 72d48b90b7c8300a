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

/** What a verified ID token says. */
export interface VerifiedIdToken {
  readonly uid: string;
  readonly email?: string;
  readonly emailVerified: boolean;
  /** When the person signed in; revocation compares it with `tokensValidAfter`. */
  readonly authTime: Date;
}

/** An account as the provider has it at this moment. */
export interface FirebaseAccount {
  readonly disabled: boolean;
  /** A sign-in before it is revoked. */
  readonly tokensValidAfter: Date;
  readonly email?: string;
  readonly emailVerified: boolean;
  /** `password`, `google.com`, `apple.com`, …, in the order of the alphabet. */
  readonly signInProviders: readonly string[];
}

/** The provider refuses a change that it understood. */
export class FirebaseRefusal extends Error {
  constructor(readonly reason: 'email_in_use' | 'invalid_email' | 'no_such_account') {
    super('Firebase refuses.');
    this.name = 'FirebaseRefusal';
  }
}

const refusals: Readonly<Record<string, FirebaseRefusal['reason'] | undefined>> = {
  'auth/email-already-exists': 'email_in_use',
  'auth/invalid-email': 'invalid_email',
  'auth/user-not-found': 'no_such_account',
  // What links are made for is named by its address.
  'auth/email-not-found': 'no_such_account',
};

const faults = {
  expired: 'The ID token has expired: get a fresh one from Firebase.',
  from_the_future: 'The ID token is dated in the future.',
  invalid: 'Expected an ID token that Firebase signed for this project.',
};

export type FirebaseTokenFault = keyof typeof faults;

/** The ID token proves nothing. The message may be shown to its bearer; it carries no part of the token. */
export class FirebaseTokenError extends Error {
  constructor(readonly reason: FirebaseTokenFault) {
    super(faults[reason]);
    this.name = 'FirebaseTokenError';
  }
}

/** The provider gave no usable answer in time: this says nothing about the token or the account. */
export class FirebaseUnavailable extends Error {
  /** @param code `timeout`, `certificates` or the library's own, for the log; its messages may quote addresses. */
  constructor(readonly code: string) {
    super('Firebase cannot be asked at the moment.');
    this.name = 'FirebaseUnavailable';
  }
}

/** A token's times are whole seconds of another machine's clock. */
const skewMs = 60_000;

/** Google's are 1 to 2 kB, with the largest custom claims 3 kB. */
const maxTokenLength = 8 * 1024;

const headerSchema = z.object({ alg: z.literal('RS256'), kid: z.string().min(1) });
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
 * Firebase Auth, as far as this service asks it. The one file that knows firebase-admin.
 *
 * ID tokens are verified here by their RS256 signature; the network is only asked for Google's certificates, when the
 * ones at hand are past their max-age. Nothing unsigned is accepted, with one exception: `emulatorHost` makes the
 * library take the Firebase emulator's unsigned tokens *instead*, which the configuration refuses in production.
 */
export class FirebaseClient implements OnApplicationShutdown {
  /** For the other products of the same project. */
  readonly app: App;
  private readonly auth: Auth;
  private readonly agent: Agent | undefined;
  private readonly header: z.ZodType;
  private readonly timeoutMs: number;

  constructor(
    options: FirebaseClientOptions,
    private readonly clock: Clock,
  ) {
    this.timeoutMs = options.timeoutMs ?? 3_000;
    this.agent = options.emulatorHost === undefined ? new FirebaseAgent(this.timeoutMs, options.api) : undefined;
    this.app = initializeApp(appOptions(options, this.agent), `vpn-${randomUUID()}`);
    this.auth = withEmulatorHost(options.emulatorHost, () => getAuth(this.app));
    this.header = options.emulatorHost === undefined ? headerSchema : unsignedHeaderSchema;
  }

  /**
   * Verifies signature, audience, issuer and times. Revocation is not looked up: compare `authTime` with `lookUp`.
   *
   * Both clocks must agree that a token has not expired: the library's, which is the machine's, and ours, which tests
   * move. The library does not look at times in the future; we do.
   *
   * @throws {FirebaseTokenError} the token proves nothing.
   * @throws {FirebaseUnavailable} Google's certificates could not be fetched.
   */
  async verifyIdToken(token: string): Promise<VerifiedIdToken> {
    assertWellFormed(token, this.header);
    const decoded = await this.ask(this.auth.verifyIdToken(token)).catch(rethrowVerification);
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
   * Asks the provider for an account.
   *
   * @returns undefined when it does not exist (any more).
   * @throws {FirebaseUnavailable}
   */
  async lookUp(uid: string): Promise<FirebaseAccount | undefined> {
    try {
      const account = await this.ask(this.auth.getUser(uid));
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

  /** Ends every sign-in so far. @throws {FirebaseRefusal} and {FirebaseUnavailable} */
  async revokeSignIns(uid: string): Promise<void> {
    await this.change(this.auth.revokeRefreshTokens(uid));
  }

  /**
   * Makes a link that gives an account another address once it is opened, which proves the address and ends every sign-in.
   * Until then nothing changes. https://firebase.google.com/docs/auth/admin/email-action-links
   *
   * @param email the account's address now
   * @throws {FirebaseRefusal} and {FirebaseUnavailable}
   */
  async emailChangeLink(email: string, newEmail: string): Promise<string> {
    return this.change(this.auth.generateVerifyAndChangeEmailLink(email, newEmail));
  }

  /** Deletes the account; one that is gone is no error. @throws {FirebaseUnavailable} */
  async deleteAccount(uid: string): Promise<void> {
    await this.change(this.auth.deleteUser(uid)).catch((error: unknown) => {
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
    if (fromSeconds(Math.max(iat, auth_time)).getTime() > now + skewMs) throw new FirebaseTokenError('from_the_future');
  }

  private async change<T>(answer: Promise<T>): Promise<T> {
    try {
      return await this.ask(answer);
    } catch (error) {
      const reason = refusals[codeOf(error)];
      throw reason === undefined ? unavailable(error) : new FirebaseRefusal(reason);
    }
  }

  /** The library retries for half a minute and more; who waits for us does not. */
  private async ask<T>(answer: Promise<T>): Promise<T> {
    return withTimeLimit(this.timeoutMs, answer, () => new FirebaseUnavailable('timeout'));
  }
}

/** Before the library sees it: on a payload that is no object it fails as it does when Google is away. */
function assertWellFormed(token: string, header: z.ZodType): void {
  const parts = token.length <= maxTokenLength ? /^([\w-]+)\.([\w-]+)\.([\w-]*)$/.exec(token) : null;
  const isOf = (schema: z.ZodType, part = '') => schema.safeParse(parseJson(part)).success;
  if (!isOf(header, parts?.[1]) || !isOf(claimsSchema, parts?.[2])) throw new FirebaseTokenError('invalid');
}

function parseJson(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch {
    return undefined;
  }
}

/**
 * The library reports missing certificates as it does a bad token, as `auth/argument-error`: only what it says of "the
 * Firebase ID token" is about the token.
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
