import { Injectable } from '@nestjs/common';
import { type FirebaseAccount, FirebaseClient, type User, providerProblem } from '../auth/index.js';
import { self } from '../platform/audit/index.js';
import { Clock } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { TrialsService } from '../subscription/index.js';
import { type AccountExport } from './account.schema.js';
import { AccountExportStore } from './account-export.store.js';

/** Everything held on a person, as one document. */
@Injectable()
export class AccountExportService {
  constructor(
    private readonly store: AccountExportStore,
    private readonly firebase: FirebaseClient,
    private readonly trials: TrialsService,
    private readonly clock: Clock,
  ) {}

  /**
   * Writes down who takes it along, then reads it, that act included. An account that is gone at Firebase leaves what is here.
   *
   * @throws {AppError} `invalid_id_token` for an account that is gone here, `identity_provider_unavailable`
   */
  async export(
    { userId, firebaseUid }: Pick<User, 'userId' | 'firebaseUid'>,
    by: { readonly actor: string; readonly reason: string } = { actor: self, reason: 'asked' },
  ): Promise<AccountExport> {
    const account = await this.firebase.lookUp(firebaseUid).catch((error: unknown) => {
      throw providerProblem(error);
    });
    const now = this.clock.now();
    if (!(await this.store.record({ ...by, at: now, action: 'account.export', userId }))) {
      throw new AppError('invalid_id_token', 'The account no longer exists.');
    }
    const { email, emailVerified = false } = account ?? {};
    const trialHashes = this.trials.hashesOf({ firebaseUid, email, emailVerified });
    const trialClaims = this.trials.holdersOf(await this.store.providerRefs(userId));
    const rows = await this.store.rowsOf(userId, { trialHashes, trialClaims });
    return {
      exportedAt: now.toISOString(),
      identityProvider: account === undefined ? null : atProvider(firebaseUid, account),
      tables: Object.fromEntries([...rows].map(([table, found]) => [table, found.map(withoutOperators)])),
    };
  }
}

function atProvider(uid: string, account: FirebaseAccount): AccountExport['identityProvider'] {
  const { email = null, emailVerified, disabled, signInProviders, tokensValidAfter } = account;
  const [ways, validAfter] = [[...signInProviders], tokensValidAfter.toISOString()];
  return { uid, email, emailVerified, disabled, signInProviders: ways, tokensValidAfter: validAfter };
}

/** Which operator it was is about the operator; all else of the act is about the person. */
function withoutOperators(row: Record<string, unknown>): Record<string, unknown> {
  if (!('actor' in row)) return row;
  return { ...row, actor: row.actor === self ? self : 'operator' };
}
