import { Prisma } from '../../prisma/identity/index.js';

/** Whoever acts on their own account. */
export const self = 'self';

/** Something done to an account that its owner may want to know of. */
export interface Act {
  readonly at: Date;
  /** Which operator; `self` for the person. */
  readonly actor: string;
  /** Such as `account.delete`. */
  readonly action: string;
  readonly userId: string;
  /** The operator's words, up to 500 characters; `asked` for the person. */
  readonly reason: string;
}

/** What an operator does to everybody, and no account in particular. */
export type ActOnAll = Omit<Act, 'userId'> & { readonly userId: null };

/** The statement that writes an act down, for the `WITH` of the statement that does it; `FROM` may follow. */
export function recordAct({ at, actor, action, userId, reason }: Act | ActOnAll): Prisma.Sql {
  return Prisma.sql`
    INSERT INTO "AuditEvent" (at, actor, action, user_id, reason)
    SELECT ${at}, ${actor}, ${action}, ${userId}::uuid, ${reason}`;
}
