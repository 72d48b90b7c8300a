import { z } from 'zod';
import { type Account, type Accounts } from './accounts.js';
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
const byId = z.object({ localId: z.string() });

/** What a backend calls with its service account: `projects/{p}/accounts:*`. */
export class AdminApi {
  private readonly lookups: string[] = [];

  constructor(private readonly accounts: Accounts) {}

  /** How often accounts were looked up: one's, or anybody's. */
  countLookups(uid?: string): number {
    return uid === undefined ? this.lookups.length : this.lookups.filter((looked) => looked === uid).length;
  }

  /** Answers without `users` when nobody is found, as Google does. */
  lookup(body: unknown): object {
    const { localId, email } = read(lookup, body);
    this.lookups.push(...localId);
    const found = [
      ...localId.map((uid) => this.accounts.find(uid)),
      ...email.map((address) => this.accounts.findByEmail(address)),
    ].filter((account): account is Account => account !== undefined);
    return { kind: 'identitytoolkit#GetAccountInfoResponse', ...(found.length > 0 && { users: found.map(userInfo) }) };
  }

  update(body: unknown): object {
    const { localId, disableUser, validSince, emailVerified, email } = read(update, body);
    const holder = email === undefined ? undefined : this.accounts.findByEmail(email);
    if (holder !== undefined && holder.uid !== localId) throw new GoogleError('EMAIL_EXISTS');
    const account = this.accounts.update(localId, {
      ...(validSince !== undefined && { validSince }),
      ...(disableUser !== undefined && { disabled: disableUser }),
      ...(emailVerified !== undefined && { emailVerified }),
      ...(email !== undefined && { email: email.toLowerCase() }),
    });
    return { localId, email: account.email };
  }

  delete(body: unknown): object {
    if (!this.accounts.delete(read(byId, body).localId)) throw new GoogleError('USER_NOT_FOUND');
    return {};
  }
}
