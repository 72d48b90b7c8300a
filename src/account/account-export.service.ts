import { Injectable } from '@nestjs/common';
import { type FirebaseAccount, FirebaseClient, type User, providerProblem } from '../auth/index.js';
import { self } from '../platform/audit/index.js';
import { Clock } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { TrialsService } from '../subscription/index.js';
import { type AccountExport } from './account.schema.js';
import { AccountExportStore } from './account-export.store.js';

/** Exports everything that is stored about a user, as one document. */
@Injectable()
export class AccountExportService {
  constructor(
    private readonly store: AccountExportStore,
    private readonly firebase: FirebaseClient,
    private readonly trials: TrialsService,
    private readonly clock: Clock,
  ) {}

  /**
   * Records the export in the audit trail, then reads the data, including that record. If the account no longer exists at
   * Firebase, the export contains what is stored here.
   *
   * @throws {AppError} `invalid_id_token` if the user no longer exists here, `identity_provider_unavailable`
   */
  async export(
    { userId, firebaseUid }: Pick<User, 'userId' | 'firebaseUid'>,
    by: { readonly actor: string; readonly reason: string } = { actor: self, reason: 'asked' },
  ): Promise<AccountExport> {
    const account = await this.firebase.fetchAccount(firebaseUid).catch((error: unknown) => {
      throw providerProblem(error);
    });
    const now = this.clock.now();
    if (!(await this.store.record({ ...by, at: now, action: 'account.export', userId }))) {
      throw new AppError('invalid_id_token', 'The account no longer exists.');
    }
    const { email, emailVerified = false } = account ?? {};
    const ofUser = this.trials.hashesOf({ firebaseUid, email, emailVerified });
    const claimedBy = this.trials.claimHashesOf(await this.store.providerRefs(userId));
    const rows = await this.store.rowsOf(userId, { ofUser, claimedBy });
    return {
      exportedAt: now.toISOString(),
      identityProvider: account === undefined ? null : exportedIdentity(firebaseUid, account),
      tables: Object.fromEntries([...rows].map(([table, found]) => [table, found.map(withoutOperatorName)])),
    };
  }
}

function exportedIdentity(uid: string, account: FirebaseAccount): AccountExport['identityProvider'] {
  const { email = null, emailVerified, disabled, signInProviders, tokensValidAfter } = account;
  return {
    uid,
    email,
    emailVerified,
    disabled,
    signInProviders: [...signInProviders],
    tokensValidAfter: tokensValidAfter.toISOString(),
  };
}

/** An operator's name is the operator's data. Everything else in an audit row is the user's data. */
function withoutOperatorName(row: Record<string, unknown>): Record<string, unknown> {
  if (!('actor' in row)) return row;
  return { ...row, actor: row.actor === self ? self : 'operator' };
}
