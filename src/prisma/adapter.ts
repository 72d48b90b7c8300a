import { PrismaPg } from '@prisma/adapter-pg';

/** Named statements are planned once per connection. Further SQL texts use the unnamed statement; that never happens today. */
const maxStatements = 1_000;

const statementTimeoutMs = 30_000;

/** A server that vanished sends nothing. Only this timeout ends the wait and releases the connection. */
const queryTimeoutMs = statementTimeoutMs + 5_000;

/**
 * PostgreSQL through Prisma's driver adapter. Each SQL text has one prepared statement, which doubles the rate of unnamed ones.
 * The search path holds only the side's own schema.
 */
export function postgresAdapter(connectionString: string, schema: string): PrismaPg {
  const names = new Map<string, string>();
  return new PrismaPg(
    {
      connectionString,
      max: 10,
      // Limits connecting, and waiting for a free connection. The request is then answered with `unavailable`.
      connectionTimeoutMillis: 2_000,
      idleTimeoutMillis: 60_000,
      query_timeout: queryTimeoutMs,
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
