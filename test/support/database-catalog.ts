import { query } from './postgres.js';

/** Prisma's own table, which is not part of the model. */
const migrationsTable = '_prisma_migrations';

export interface DatabaseColumn {
  readonly table: string;
  readonly column: string;
  /** As PostgreSQL writes it, such as `timestamp(0) with time zone`. */
  readonly type: string;
}

/**
 * Describes the columns, indexes, constraints and enums of a schema, one per line, sorted. CHECK constraints are left out: the
 * Prisma model can't express them.
 */
export async function readDatabaseCatalog(url: string, schema: string): Promise<string[]> {
  const rows = await query<{ line: string }>(
    url,
    `SELECT format('column %s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
       CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
       coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')) AS line
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname <> $2
   UNION ALL
     SELECT format('index %s', pg_get_indexdef(i.indexrelid))
     FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
     WHERE c.relnamespace = $1::regnamespace AND c.relname <> $2
   UNION ALL
     SELECT format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(k.oid))
     FROM pg_constraint k WHERE connamespace = $1::regnamespace AND contype IN ('p', 'u', 'f', 'x') 
       AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = conrelid AND c.relname = $2)
   UNION ALL
     SELECT format('enum %s: %s', typname, string_agg(enumlabel, ', ' ORDER BY enumsortorder))
     FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid WHERE typnamespace = $1::regnamespace GROUP BY typname
   ORDER BY 1`,
    [schema, migrationsTable],
  );
  return rows.map(({ line }) => line);
}

export async function readColumns(url: string, schema: string): Promise<DatabaseColumn[]> {
  return query<DatabaseColumn & Record<string, unknown>>(
    url,
    `SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname <> $2 ORDER BY 1, 2`,
    [schema, migrationsTable],
  );
}
