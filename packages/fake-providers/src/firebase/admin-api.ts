import { z } from 'zod';
import { type Account, type Accounts, type OobCode } from './accounts.js';
import { read, userInfo } from './client-api.js';
import { GoogleError } from './google-error.js';

const lookup = z.object({ localId: z.array(z.string()).default([]), email: z.array(z.string()).default([]) });
const update = z.object({
  localId: z.string(),
  validSince: z.coerce.number().int().optional(),
  disableUser: z.boolean().optional(),
  emailVerified: z.boolean().optional(),
  email: z.email({ error: 'INVALID_EMAIL' }).optional(),
});
/** With `returnOobLink` the backend gets the link and mails it; Google sends no mail. */
const createLink = z.object({
  requestType: z.literal('VERIFY_AND_CHANGE_EMAIL', { error: 'INVALID_REQ_TYPE' }),
  email: z.email({ error: 'INVALID_EMAIL' }),
  newEmail: z.email({ error: 'INVALID_NEW_EMAIL' }),
  returnOobLink: z.literal(true),
});
const byId = z.object({ localId: z.string() });

/** The endpoints that a backend calls with its service account: `projects/{p}/accounts:*`. */
export class AdminApi {
  private readonly lookedUpUids: string[] = [];

  /** @param linkOf returns the link that uses a code when it is opened */
  constructor(
    private readonly accounts: Accounts,
    private readonly linkOf: (code: OobCode) => string,
  ) {}

  /** The number of lookups of this account, or of all accounts. */
  countLookups(uid?: string): number {
    return uid === undefined ? this.lookedUpUids.length : this.lookedUpUids.filter((one) => one === uid).length;
  }

  /** Leaves out `users` when no account is found, as Google does. */
  lookup(body: unknown): object {
    const { localId, email } = read(lookup, body);
    this.lookedUpUids.push(...localId);
    const found = [
      ...localId.map((uid) => this.accounts.find(uid)),
      ...email.map((address) => this.accounts.findByEmail(address)),
    ].filter((account): account is Account => account !== undefined);
    return { kind: 'identitytoolkit#GetAccountInfoResponse', ...(found.length > 0 && { users: found.map(userInfo) }) };
  }

  update(body: unknown): object {
    const { localId, disableUser, validSince, emailVerified, email } = read(update, body);
    const owner = email === undefined ? undefined : this.accounts.findByEmail(email);
    if (owner !== undefined && owner.uid !== localId) throw new GoogleError('EMAIL_EXISTS');
    const account = this.accounts.update(localId, {
      ...(validSince !== undefined && { validSince }),
      ...(disableUser !== undefined && { disabled: disableUser }),
      ...(emailVerified !== undefined && { emailVerified }),
      // A new address revokes all sign-ins, like a new password.
      ...(email !== undefined && { email: email.toLowerCase(), validSince: this.accounts.nextValidSince() }),
    });
    return { localId, email: account.email };
  }

  sendOobCode(body: unknown): object {
    const { email, newEmail } = read(createLink, body);
    const account = this.accounts.findByEmail(email);
    if (!account) throw new GoogleError('EMAIL_NOT_FOUND');
    const code = this.accounts.createOobCode(account, newEmail);
    return { email: account.email, oobCode: code.oobCode, oobLink: this.linkOf(code) };
  }

  delete(body: unknown): object {
    if (!this.accounts.delete(read(byId, body).localId)) throw new GoogleError('USER_NOT_FOUND');
    return {};
  }
}
