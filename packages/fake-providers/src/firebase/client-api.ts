import { z } from 'zod';
import { type Account, type Accounts } from './accounts.js';
import { GoogleError } from './google-error.js';
import { type IdTokens, idTokenSeconds } from './id-tokens.js';
import { hashPassword, isPassword } from './passwords.js';

/** The error messages are Google's, one for each missing or malformed field. */
const field = (message: string) => z.string({ error: message }).min(1, { error: message });
const email = field('MISSING_EMAIL').pipe(z.email({ error: 'INVALID_EMAIL' }));
const newPassword = field('MISSING_PASSWORD').min(6, {
  error: 'WEAK_PASSWORD : Password should be at least 6 characters',
});
const idToken = field('MISSING_ID_TOKEN');

const signUp = z.object({ email, password: newPassword });
const signIn = z.object({ email, password: field('MISSING_PASSWORD') });
const withIdToken = z.object({ idToken });
const sendOobCode = z.object({ requestType: z.literal('VERIFY_EMAIL', { error: 'INVALID_REQ_TYPE' }), idToken });
const update = z.union([
  z.object({ oobCode: z.string() }),
  z.object({ idToken: z.string(), password: newPassword.optional() }),
]);
const refresh = z.object({
  grant_type: z.literal('refresh_token', { error: 'INVALID_GRANT_TYPE' }),
  refresh_token: field('MISSING_REFRESH_TOKEN'),
});

/** The endpoints that apps call: identitytoolkit's `accounts:*` with the user's own tokens, and securetoken's refresh. */
export class ClientApi {
  constructor(
    private readonly accounts: Accounts,
    private readonly idTokens: IdTokens,
    private readonly projectId: string,
  ) {}

  async signUp(body: unknown): Promise<object> {
    const { email, password } = read(signUp, body);
    if (this.accounts.findByEmail(email)) throw new GoogleError('EMAIL_EXISTS');
    return this.signInResponse(this.accounts.create(email, await hashPassword(password)));
  }

  /** The same error for an unknown address and a wrong password, as in projects with email enumeration protection. */
  async signInWithPassword(body: unknown): Promise<object> {
    const { email, password } = read(signIn, body);
    const account = this.accounts.findByEmail(email);
    const isRight = account?.password !== undefined && (await isPassword(password, account.password));
    if (!account || !isRight) throw new GoogleError('INVALID_LOGIN_CREDENTIALS');
    if (account.disabled) throw new GoogleError('USER_DISABLED');
    return { ...(await this.signInResponse(account)), registered: true };
  }

  async lookup(body: unknown): Promise<object> {
    return { users: [userInfo(await this.accountOf(read(withIdToken, body).idToken))] };
  }

  /** Verifies an address by its code, or changes the password, which revokes all earlier sign-ins. */
  async update(body: unknown): Promise<object> {
    const request = read(update, body);
    if ('oobCode' in request) return userInfo(this.accounts.useOobCode(request.oobCode));
    const { uid } = await this.accountOf(request.idToken);
    if (request.password === undefined) return userInfo(this.accounts.update(uid, {}));
    const password = await hashPassword(request.password);
    return this.signInResponse(this.accounts.update(uid, { password, validSince: this.accounts.nextValidSince() }));
  }

  async sendOobCode(body: unknown): Promise<object> {
    const account = await this.accountOf(read(sendOobCode, body).idToken);
    return { email: this.accounts.createOobCode(account).email };
  }

  async delete(body: unknown): Promise<object> {
    this.accounts.delete((await this.accountOf(read(withIdToken, body).idToken)).uid);
    return {};
  }

  /** The only endpoint in snake_case. The SDK sends it a form. */
  async refresh(body: unknown): Promise<object> {
    const { refresh_token } = read(refresh, body);
    const { account, signIn } = this.accounts.refresh(refresh_token);
    const token = await this.idTokens.mint(signIn, account);
    return {
      access_token: token,
      id_token: token,
      refresh_token,
      expires_in: String(idTokenSeconds),
      token_type: 'Bearer',
      user_id: account.uid,
      project_id: this.projectId,
    };
  }

  private async signInResponse(account: Account): Promise<object> {
    const { refreshToken, ...signIn } = this.accounts.signIn(account);
    return {
      localId: account.uid,
      email: account.email,
      idToken: await this.idTokens.mint(signIn, account),
      refreshToken,
      expiresIn: String(idTokenSeconds),
    };
  }

  private async accountOf(idToken: string): Promise<Account> {
    return this.accounts.current(await this.idTokens.read(idToken));
  }
}

/** Google's `UserInfo`, which has numbers as strings. */
export function userInfo(account: Account): object {
  const { uid, email, emailVerified, disabled, validSince, createdAt, lastLoginAt, linked = [] } = account;
  return {
    localId: uid,
    email,
    emailVerified,
    disabled,
    validSince: String(validSince),
    createdAt: String(createdAt),
    lastLoginAt: String(lastLoginAt),
    ...(account.password !== undefined && { passwordHash: 'REDACTED' }),
    providerUserInfo: ['password', ...linked].map((providerId) => ({
      providerId,
      email,
      federatedId: email,
      rawId: email,
    })),
  };
}

export function read<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const messages = result.error.issues.map((issue) => issue.message);
  throw new GoogleError(messages.find((message) => /^[A-Z_]+( : .*)?$/.test(message)) ?? 'INVALID_ARGUMENT');
}
