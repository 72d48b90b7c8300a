import { Injectable } from '@nestjs/common';
import { type Act, recordAct, self } from '../platform/audit/index.js';
import { IdentityPrisma, Prisma } from '../prisma/identity/index.js';

export type ExportedRow = Record<string, unknown>;

interface OwnedTable {
  readonly table: string;
  /** The column that refers to the user. */
  readonly column: string;
}

/** Keyed hashes that find the rows of `TrialGrant`, which do not refer to a user. */
export interface TrialHashes {
  /** Hashes of the user's account and address, 32 bytes each. */
  readonly ofUser: readonly Buffer[];
  /** Hashes of the trials that providers gave, 32 bytes each. They also lead to hashes of cards and former addresses. */
  readonly claimedBy: readonly Buffer[];
}

@Injectable()
export class AccountExportStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Reads every row of a user, with every column. The database itself lists the tables and columns, so a new column, or a new
   * table that refers to users, is part of the export at once.
   *
   * @returns rows by table, from one snapshot
   */
  async rowsOf(userId: string, { ofUser, claimedBy }: TrialHashes): Promise<ReadonlyMap<string, ExportedRow[]>> {
    const owned = await this.ownedTables();
    const selects = [
      Prisma.sql`SELECT 'User' AS "table", to_jsonb(t) AS row FROM "User" t WHERE id = ${userId}::uuid`,
      ...owned.map(({ table, column }) => {
        const [name, owner] = [Prisma.raw(quoted(table)), Prisma.raw(quoted(column))];
        return Prisma.sql`SELECT ${table}, to_jsonb(t) FROM ${name} t WHERE t.${owner} = ${userId}::uuid`;
      }),
      Prisma.sql`SELECT 'TrialGrant', to_jsonb(t) FROM "TrialGrant" t
        WHERE hash = ANY (${ofUser}::bytea[]) OR claimed_by = ANY (${claimedBy}::bytea[])`,
      Prisma.sql`SELECT 'WebhookEvent', to_jsonb(t) FROM "WebhookEvent" t, "User" u WHERE u.id = ${userId}::uuid
        AND (t.object_ref = u.stripe_customer_id
          OR EXISTS (SELECT FROM "Subscription" s WHERE s.user_id = u.id AND s.provider_ref = t.provider || ':' || t.object_ref)
          OR EXISTS (SELECT FROM "PaymentHistory" p WHERE p.user_id = u.id AND p.provider_ref = t.provider || ':' || t.object_ref))`,
    ];
    const rows = await this.prisma.$queryRaw<{ table: string; row: ExportedRow }[]>(
      Prisma.join(selects, ' UNION ALL '),
    );
    const byTable = Map.groupBy(rows, ({ table }) => table);
    return new Map([...byTable].map(([table, found]) => [table, found.map(({ row }) => row)]));
  }

  /** The providers' ids of the user's subscriptions. */
  async providerRefs(userId: string): Promise<string[]> {
    const rows = await this.prisma.subscription.findMany({ where: { userId }, select: { providerRef: true } });
    return rows.map(({ providerRef }) => providerRef);
  }

  /**
   * Records the export in the audit trail. The user's own exports are recorded at most once an hour.
   *
   * @returns whether the user exists
   */
  async record(act: Act): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<unknown[]>`
      WITH account AS (SELECT id FROM "User" WHERE id = ${act.userId}::uuid), noted AS (
        ${recordAct(act)} FROM account WHERE ${act.actor} <> ${self} OR NOT EXISTS (SELECT FROM "AuditEvent" a
          WHERE a.user_id = account.id AND a.action = ${act.action} AND a.actor = ${self} AND a.at > ${act.at}::timestamptz - interval '1 hour')
      )
      SELECT 1 FROM account`;
    return rows.length > 0;
  }

  /** The tables with a foreign key to `User`. */
  private async ownedTables(): Promise<OwnedTable[]> {
    return this.prisma.$queryRaw<OwnedTable[]>`
      SELECT c.relname AS "table", a.attname AS "column"
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
      WHERE k.contype = 'f' AND k.confrelid = '"User"'::regclass ORDER BY 1, 2`;
  }
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
