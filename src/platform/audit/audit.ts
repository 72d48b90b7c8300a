import { Prisma } from '../../prisma/identity/index.js';

/** The actor of what users do to their own account. */
export const self = 'self';

/** A change of an account that its owner can see in the audit trail. */
export interface Act {
  readonly at: Date;
  /** Name of the operator; `self` for the user. */
  readonly actor: string;
  /** Such as `account.delete`. */
  readonly action: string;
  readonly userId: string;
  /** The operator's reason, up to 500 characters; `asked` for the user. */
  readonly reason: string;
}

/** What an operator does to all accounts at once, such as an announcement. */
export type ActOnAll = Omit<Act, 'userId'> & { readonly userId: null };

/** Writes an act into the audit trail. For the `WITH` of the statement that performs the act; `FROM` may follow. */
export function recordAct({ at, actor, action, userId, reason }: Act | ActOnAll): Prisma.Sql {
  return Prisma.sql`
    INSERT INTO "AuditEvent" (at, actor, action, user_id, reason)
    SELECT ${at}, ${actor}, ${action}, ${userId}::uuid, ${reason}`;
}
