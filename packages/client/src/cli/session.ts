import { join } from 'node:path';
import { type Fetch } from '../transport.js';
import { isRecord } from '../wire.js';
import { CommandError, exitCodes } from './failures.js';
import { readJson, remove, writePrivately } from './files.js';
import { type Settings } from './settings.js';

/** The signed-in user, with a refresh token or with a pasted ID token, which is valid for an hour. */
export type StoredSession = SignedIn & ({ readonly refreshToken: string } | { readonly idToken: string });

export interface SignedIn {
  /** Firebase's user id. */
  readonly uid: string;
  readonly email: string;
}

const path = (home: string) => join(home, 'session.json');

export async function readSession(home: string): Promise<StoredSession | undefined> {
  return readJson<StoredSession>(path(home));
}

export async function writeSession(home: string, session: StoredSession): Promise<void> {
  await writePrivately(path(home), `${JSON.stringify(session)}\n`);
}

export async function removeSession(home: string): Promise<void> {
  await remove(path(home));
}

/** The part of Firebase's public REST API that signing in uses. */
export class Firebase {
  constructor(
    private readonly settings: Pick<Settings, 'apiKey' | 'firebaseUrl'>,
    private readonly fetch: Fetch,
  ) {}

  /** @throws {CommandError} `sign_in_refused`, `firebase_unreachable` */
  async signIn(email: string, password: string): Promise<StoredSession> {
    const answer = await this.call('identitytoolkit.googleapis.com', 'v1/accounts:signInWithPassword', {
      email,
      password,
      returnSecureToken: true,
    });
    const [uid, address] = [String(answer['localId']), String(answer['email'])];
    return { uid, email: address, refreshToken: String(answer['refreshToken']) };
  }

  /** @throws {CommandError} `sign_in_refused` when the user was signed out elsewhere; `firebase_unreachable` */
  async idToken(refreshToken: string): Promise<string> {
    const body = { grant_type: 'refresh_token', refresh_token: refreshToken };
    return String((await this.call('securetoken.googleapis.com', 'v1/token', body))['id_token']);
  }

  /** Mails a verification link to the user's address. @throws {CommandError} `sign_in_refused`, `firebase_unreachable` */
  async sendVerification(idToken: string): Promise<void> {
    await this.call('identitytoolkit.googleapis.com', 'v1/accounts:sendOobCode', {
      requestType: 'VERIFY_EMAIL',
      idToken,
    });
  }

  private async call(host: string, method: string, body: object): Promise<Record<string, unknown>> {
    const { apiKey, firebaseUrl } = this.settings;
    const base = firebaseUrl === undefined ? `https://${host}` : `${firebaseUrl.replace(/\/$/, '')}/${host}`;
    let answer: unknown;
    try {
      const response = await this.fetch(`${base}/${method}?key=${encodeURIComponent(apiKey)}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(15_000),
      });
      answer = await response.json();
    } catch {
      const next = 'Check your internet connection and try again.';
      throw new CommandError('Firebase did not answer.', 'firebase_unreachable', exitCodes.tryLater, next);
    }
    const refusal = isRecord(answer) && isRecord(answer['error']) ? String(answer['error']['message']) : undefined;
    if (refusal !== undefined) throw signInRefused(refusal);
    return answer as Record<string, unknown>;
  }
}

const messages: Readonly<Record<string, string>> = {
  INVALID_LOGIN_CREDENTIALS: 'The e-mail address or the password is wrong.',
  INVALID_PASSWORD: 'The e-mail address or the password is wrong.',
  EMAIL_NOT_FOUND: 'The e-mail address or the password is wrong.',
  USER_DISABLED: 'This account is disabled.',
  TOO_MANY_ATTEMPTS_TRY_LATER: 'Too many attempts. Wait a few minutes.',
  TOKEN_EXPIRED: 'You have been signed out.',
  INVALID_REFRESH_TOKEN: 'You have been signed out.',
  USER_NOT_FOUND: 'This account has been deleted.',
};

function signInRefused(message: string): CommandError {
  const [code = ''] = message.split(' ');
  const text = messages[code] ?? `Firebase refused the sign-in (${code}).`;
  return new CommandError(text, 'sign_in_refused', exitCodes.signIn, 'Sign in: vpn login');
}
