import { Injectable } from '@nestjs/common';
import { type Act, recordAct, self } from '../platform/audit/index.js';
import { IdentityPrisma, Prisma } from '../prisma/identity/index.js';

export type ExportedRow = Record<string, unknown>;

interface OwnedTable {
  readonly table: string;
  /** Its column that names the person. */
  readonly column: string;
}

/** What is held on a person beside the rows that refer to theirs. */
export interface OtherTraces {
  /** Keyed hashes that a trial is remembered by, of the account and of its address; 32 bytes each. */
  readonly trialHashes: readonly Buffer[];
  /** Keyed hashes of trials that providers gave: with them, cards and former addresses are remembered. 32 bytes each. */
  readonly trialClaims: readonly Buffer[];
}

@Injectable()
export class AccountExportStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Every row of a person, with every column. Which tables and columns there are is asked of the database itself: a new
   * column, and a new table that refers to people, is in the export from the moment it is there.
   *
   * @returns rows by table, as of one moment
   */
  async rowsOf(userId: string, { trialHashes, trialClaims }: OtherTraces): Promise<ReadonlyMap<string, ExportedRow[]>> {
    const owned = await this.ownedTables();
    const selects = [
      Prisma.sql`SELECT 'User' AS "table", to_jsonb(t) AS row FROM "User" t WHERE id = ${userId}::uuid`,
      ...owned.map(({ table, column }) => {
        const [name, owner] = [Prisma.raw(quoted(table)), Prisma.raw(quoted(column))];
        return Prisma.sql`SELECT ${table}, to_jsonb(t) FROM ${name} t WHERE t.${owner} = ${userId}::uuid`;
      }),
      Prisma.sql`SELECT 'TrialGrant', to_jsonb(t) FROM "TrialGrant" t
        WHERE hash = ANY (${trialHashes}::bytea[]) OR claimed_by = ANY (${trialClaims}::bytea[])`,
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

  /** What providers call the subscriptions of a person. */
  async providerRefs(userId: string): Promise<string[]> {
    const rows = await this.prisma.subscription.findMany({ where: { userId }, select: { providerRef: true } });
    return rows.map(({ providerRef }) => providerRef);
  }

  /**
   * Writes down that somebody takes all of it along; for the person themselves once an hour, however often they ask.
   *
   * @returns whether there is such a person
   */
  async record(act: Act): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<unknown[]>`
      WITH person AS (SELECT id FROM "User" WHERE id = ${act.userId}::uuid), noted AS (
        ${recordAct(act)} FROM person WHERE ${act.actor} <> ${self} OR NOT EXISTS (SELECT FROM "AuditEvent" a
          WHERE a.user_id = person.id AND a.action = ${act.action} AND a.actor = ${self} AND a.at > ${act.at}::timestamptz - interval '1 hour')
      )
      SELECT 1 FROM person`;
    return rows.length > 0;
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
