import { Injectable } from '@nestjs/common';
import { FirebaseClient, type Person, providerProblem } from '../auth/index.js';
import { Clock } from '../config/index.js';
import { AppError } from '../http/index.js';
import { self } from '../prisma/identity/index.js';
import { Trials } from '../subscription/index.js';
import { type AccountExport } from './account.schema.js';
import { ExportStore } from './export.store.js';

/** Everything held on a person, as one document. */
@Injectable()
export class AccountExports {
  constructor(
    private readonly store: ExportStore,
    private readonly firebase: FirebaseClient,
    private readonly trials: Trials,
    private readonly clock: Clock,
  ) {}

  /** @throws {AppError} `invalid_id_token` for an account that is gone, `identity_provider_unavailable` */
  async export({ userId, firebaseUid }: Pick<Person, 'userId' | 'firebaseUid'>): Promise<AccountExport> {
    const account = await this.firebase.lookUp(firebaseUid).catch((error: unknown) => {
      throw providerProblem(error);
    });
    if (account === undefined) throw new AppError('invalid_id_token', 'The account no longer exists.');
    const { email, tokensValidAfter, signInProviders, emailVerified, disabled } = account;
    const trialHashes = this.trials.hashesOf({ firebaseUid, email, emailVerified });
    const rows = await this.store.rowsOf(userId, { trialHashes });
    return {
      exportedAt: this.clock.now().toISOString(),
      identityProvider: {
        uid: firebaseUid,
        email: email ?? null,
        emailVerified,
        disabled,
        signInProviders: [...signInProviders],
        tokensValidAfter: tokensValidAfter.toISOString(),
      },
      tables: Object.fromEntries([...rows].map(([table, found]) => [table, found.map(withoutOperators)])),
    };
  }
}

/** Which operator it was is about the operator; all else of the act is about the person. */
function withoutOperators(row: Record<string, unknown>): Record<string, unknown> {
  if (!('actor' in row)) return row;
  return { ...row, actor: row.actor === self ? self : 'operator' };
}
