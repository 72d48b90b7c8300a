import { Injectable } from '@nestjs/common';
import { IdentityPrisma, Prisma } from '../prisma/identity/index.js';

export type ExportedRow = Record<string, unknown>;

interface OwnedTable {
  readonly table: string;
  /** Its column that names the person. */
  readonly column: string;
}

/** What is held on a person beside the rows that refer to theirs. */
export interface OtherTraces {
  /** Keyed hashes that a trial is remembered by; 32 bytes each. */
  readonly trialHashes: readonly Buffer[];
}

@Injectable()
export class ExportStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Every row of a person, with every column. Which tables and columns there are is asked of the database itself: a new
   * column, and a new table that refers to people, is in the export from the moment it is there.
   *
   * @returns rows by table, as of one moment
   */
  async rowsOf(userId: string, { trialHashes }: OtherTraces): Promise<ReadonlyMap<string, ExportedRow[]>> {
    const owned = await this.ownedTables();
    const selects = [
      Prisma.sql`SELECT 'User' AS "table", to_jsonb(t) AS row FROM "User" t WHERE id = ${userId}::uuid`,
      ...owned.map(({ table, column }) => {
        const [name, owner] = [Prisma.raw(quoted(table)), Prisma.raw(quoted(column))];
        return Prisma.sql`SELECT ${table}, to_jsonb(t) FROM ${name} t WHERE t.${owner} = ${userId}::uuid`;
      }),
      Prisma.sql`SELECT 'TrialGrant', to_jsonb(t) FROM "TrialGrant" t WHERE hash = ANY (${trialHashes}::bytea[])`,
      Prisma.sql`SELECT 'WebhookEvent', to_jsonb(t) FROM "WebhookEvent" t, "User" u WHERE u.id = ${userId}::uuid
        AND (t.lookup = u.stripe_customer_id OR EXISTS (SELECT FROM "Subscription" s
          WHERE s.user_id = u.id AND s.provider_ref = t.provider || ':' || t.lookup))`,
    ];
    const rows = await this.prisma.$queryRaw<{ table: string; row: ExportedRow }[]>(
      Prisma.join(selects, ' UNION ALL '),
    );
    const byTable = Map.groupBy(rows, ({ table }) => table);
    return new Map([...byTable].map(([table, found]) => [table, found.map(({ row }) => row)]));
  }

  /** The tables that refer to people, by the foreign keys that make them do so. */
  private async ownedTables(): Promise<OwnedTable[]> {
    return this.prisma.$queryRaw<OwnedTable[]>`
      SELECT c.relname AS "table", a.attname AS "column"
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
      WHERE k.contype = 'f' AND k.confrelid = '"User"'::regclass ORDER BY 1, 2`;
  }
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
