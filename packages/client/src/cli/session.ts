import { join } from 'node:path';
import { type Fetch } from '../transport.js';
import { isRecord } from '../wire.js';
import { CommandError, exitCodes } from './failures.js';
import { readJson, remove, writePrivately } from './files.js';
import { type Settings } from './settings.js';

/** Who is signed in: by a refresh token, or for an hour by an ID token that was pasted. */
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

/** Firebase's public REST API, as far as signing in needs it. */
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

  /** @throws {CommandError} `sign_in_refused` when the sign-in has been ended elsewhere */
  async idToken(refreshToken: string): Promise<string> {
    const body = { grant_type: 'refresh_token', refresh_token: refreshToken };
    return String((await this.call('securetoken.googleapis.com', 'v1/token', body))['id_token']);
  }

  /** Mails a link that proves the address. @throws {CommandError} `sign_in_refused`, `firebase_unreachable` */
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
      throw new CommandError('Firebase does not answer.', 'firebase_unreachable', exitCodes.tryLater, 'Try again.');
    }
    const refusal = isRecord(answer) && isRecord(answer['error']) ? String(answer['error']['message']) : undefined;
    if (refusal !== undefined) throw refused(refusal);
    return answer as Record<string, unknown>;
  }
}

const words: Readonly<Record<string, string>> = {
  INVALID_LOGIN_CREDENTIALS: 'The e-mail address or the password is wrong.',
  INVALID_PASSWORD: 'The e-mail address or the password is wrong.',
  EMAIL_NOT_FOUND: 'The e-mail address or the password is wrong.',
  USER_DISABLED: 'This account is disabled.',
  TOO_MANY_ATTEMPTS_TRY_LATER: 'Too many attempts. Wait some minutes.',
  TOKEN_EXPIRED: 'The sign-in has ended.',
  INVALID_REFRESH_TOKEN: 'The sign-in has ended.',
  USER_NOT_FOUND: 'This account is no more.',
};

function refused(message: string): CommandError {
  const [code = ''] = message.split(' ');
  const text = words[code] ?? `Firebase refuses: ${code}.`;
  return new CommandError(text, 'sign_in_refused', exitCodes.signIn, 'Sign in: vpn login');
}
