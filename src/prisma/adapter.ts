import { PrismaPg } from '@prisma/adapter-pg';

/** Named statements are planned once per connection; more texts than this (never seen) go unnamed. */
const maxStatements = 1_000;

const statementTimeoutMs = 30_000;

/** A server that is gone without a word answers nothing, so nothing else would end the wait, or give the connection back. */
const silenceMs = statementTimeoutMs + 5_000;

/**
 * PostgreSQL through Prisma's driver adapter, with one prepared statement per SQL text (twice the rate of unnamed ones)
 * and the side's own schema as the only one it looks in.
 */
export function postgresAdapter(connectionString: string, schema: string): PrismaPg {
  const names = new Map<string, string>();
  return new PrismaPg(
    {
      connectionString,
      max: 10,
      // Of connecting, and of waiting for a connection while all are in use: then a request is told to come again.
      connectionTimeoutMillis: 2_000,
      idleTimeoutMillis: 60_000,
      query_timeout: silenceMs,
      options: `-c search_path=${schema} -c statement_timeout=${statementTimeoutMs} -c timezone=UTC`,
      application_name: schema,
    },
    {
      schema,
      statementNameGenerator: ({ sql }) => nameOf(sql, names),
      onPoolError: () => {},
      onConnectionError: () => {},
    },
  );
}

function nameOf(sql: string, names: Map<string, string>): string {
  const known = names.get(sql);
  if (known !== undefined) return known;
  // An empty name is PostgreSQL's unnamed statement.
  if (names.size >= maxStatements) return '';
  const name = `s${names.size}`;
  names.set(sql, name);
  return name;
}
