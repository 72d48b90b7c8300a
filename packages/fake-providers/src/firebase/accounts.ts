import { randomBytes } from 'node:crypto';
import { type Clock } from '../common/index.js';
import { GoogleError } from './google-error.js';

export interface Account {
  readonly uid: string;
  email: string;
  emailVerified: boolean;
  /** Absent for an account that a test created. Password sign-in fails then. */
  password?: string;
  disabled: boolean;
  /** Sign-in providers besides the password, such as `google.com`. */
  linked?: readonly string[];
  /** Unix seconds. Earlier sign-ins are revoked. */
  validSince: number;
  /** Unix milliseconds. */
  readonly createdAt: number;
  lastLoginAt: number;
}

/** The sign-in that a refresh token continues. */
export interface SignIn {
  readonly uid: string;
  /** Unix seconds. */
  readonly authTime: number;
}

/** A one-time code of a mailed link: it verifies the address or changes it. */
export interface OobCode {
  readonly oobCode: string;
  readonly uid: string;
  /** The account's address when the code was created. */
  readonly email: string;
  /** The new address, for a change of address. */
  readonly newEmail?: string;
  readonly requestType: 'VERIFY_EMAIL' | 'VERIFY_AND_CHANGE_EMAIL';
}

export interface AccountsSnapshot {
  readonly accounts: readonly Account[];
  readonly refreshTokens: readonly (readonly [string, SignIn])[];
  readonly oobCodes: readonly OobCode[];
}

/** The accounts, in memory. Calls `save` after each change. */
export class Accounts {
  private readonly accounts = new Map<string, Account>();
  private readonly refreshTokens = new Map<string, SignIn>();
  private readonly oobCodes = new Map<string, OobCode>();

  constructor(
    private readonly clock: Clock,
    private readonly save: () => void,
    snapshot?: AccountsSnapshot,
  ) {
    for (const account of snapshot?.accounts ?? []) this.accounts.set(account.uid, account);
    for (const [token, signIn] of snapshot?.refreshTokens ?? []) this.refreshTokens.set(token, signIn);
    for (const code of snapshot?.oobCodes ?? []) this.oobCodes.set(code.oobCode, code);
  }

  snapshot(): AccountsSnapshot {
    return {
      accounts: [...this.accounts.values()],
      refreshTokens: [...this.refreshTokens],
      oobCodes: [...this.oobCodes.values()],
    };
  }

  find(uid: string): Account | undefined {
    return this.accounts.get(uid);
  }

  findByEmail(email: string): Account | undefined {
    return [...this.accounts.values()].find((account) => account.email === email.toLowerCase());
  }

  /** @throws {GoogleError} EMAIL_EXISTS */
  create(email: string, password?: string, emailVerified = false, at = this.clock.now()): Account {
    if (this.findByEmail(email)) throw new GoogleError('EMAIL_EXISTS');
    const now = at.getTime();
    const account: Account = {
      uid: randomBytes(21).toString('base64url'),
      email: email.toLowerCase(),
      emailVerified,
      password,
      disabled: false,
      validSince: Math.floor(now / 1000),
      createdAt: now,
      lastLoginAt: now,
    };
    this.accounts.set(account.uid, account);
    this.save();
    return account;
  }

  /** @throws {GoogleError} USER_NOT_FOUND */
  update(uid: string, changes: Partial<Omit<Account, 'uid' | 'createdAt'>>): Account {
    const account = this.accounts.get(uid);
    if (!account) throw new GoogleError('USER_NOT_FOUND');
    Object.assign(account, changes);
    this.save();
    return account;
  }

  delete(uid: string): boolean {
    const existed = this.accounts.delete(uid);
    this.save();
    return existed;
  }

  /**
   * The `validSince` that revokes all sign-ins so far. Sign-ins are dated in whole seconds, so only the start of the next
   * second is later than all of them.
   */
  nextValidSince(): number {
    return Math.floor(this.clock.now().getTime() / 1000) + 1;
  }

  /** Dated no earlier than `validSince`: otherwise a sign-in in the same second as a revocation would be revoked too. */
  signIn(account: Account): SignIn & { readonly refreshToken: string } {
    const now = this.clock.now().getTime();
    const signIn = { uid: account.uid, authTime: Math.max(Math.floor(now / 1000), account.validSince) };
    const refreshToken = randomBytes(48).toString('base64url');
    this.refreshTokens.set(refreshToken, signIn);
    this.update(account.uid, { lastLoginAt: now });
    return { ...signIn, refreshToken };
  }

  /** @throws {GoogleError} INVALID_REFRESH_TOKEN, or as `current` when the sign-in is no longer valid. */
  refresh(refreshToken: string): { account: Account; signIn: SignIn } {
    const signIn = this.refreshTokens.get(refreshToken);
    if (!signIn) throw new GoogleError('INVALID_REFRESH_TOKEN');
    return { account: this.current(signIn), signIn };
  }

  /** @throws {GoogleError} USER_NOT_FOUND, USER_DISABLED, or TOKEN_EXPIRED when the sign-in was revoked. */
  current({ uid, authTime }: SignIn): Account {
    const account = this.accounts.get(uid);
    if (!account) throw new GoogleError('USER_NOT_FOUND');
    if (account.disabled) throw new GoogleError('USER_DISABLED');
    if (authTime < account.validSince) throw new GoogleError('TOKEN_EXPIRED');
    return account;
  }

  /**
   * Creates a code that verifies the address, or changes it to `newEmail`. A later change of address invalidates the code.
   *
   * @throws {GoogleError} EMAIL_EXISTS
   */
  createOobCode(account: Account, newEmail?: string): OobCode {
    if (newEmail !== undefined && this.findByEmail(newEmail)) throw new GoogleError('EMAIL_EXISTS');
    const code: OobCode = {
      oobCode: randomBytes(40).toString('base64url'),
      uid: account.uid,
      email: account.email,
      ...(newEmail === undefined
        ? { requestType: 'VERIFY_EMAIL' }
        : { requestType: 'VERIFY_AND_CHANGE_EMAIL', newEmail: newEmail.toLowerCase() }),
    };
    this.oobCodes.set(code.oobCode, code);
    this.save();
    return code;
  }

  /** Uses up a code. A change of address revokes all sign-ins. @throws {GoogleError} INVALID_OOB_CODE, EMAIL_EXISTS */
  useOobCode(oobCode: string): Account {
    const code = this.oobCodes.get(oobCode);
    const account = code && this.accounts.get(code.uid);
    if (!account || account.email !== code.email) throw new GoogleError('INVALID_OOB_CODE');
    const { newEmail } = code;
    if (newEmail !== undefined && this.findByEmail(newEmail)) throw new GoogleError('EMAIL_EXISTS');
    this.oobCodes.delete(oobCode);
    const change = newEmail !== undefined && { email: newEmail, validSince: this.nextValidSince() };
    return this.update(account.uid, { emailVerified: true, ...change });
  }

  listOobCodes(): OobCode[] {
    return [...this.oobCodes.values()];
  }
}
