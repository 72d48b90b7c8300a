import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { grantConnection, migrate, type Side, sides } from '../../src/prisma/migrate/index.js';

/** The PostgreSQL that the global set-up shares with all test files. */
export interface SharedPostgres {
  /** Connects as the superuser to the database `postgres`. */
  readonly ownerUrl: string;
  /** The name of a database with both schemas, which test files clone. */
  readonly template: string;
}

/** A database with the tables of both sides. Each URL connects as the role in its name. */
export interface TestDatabase {
  readonly ownerUrl: string;
  readonly identityUrl: string;
  readonly networkUrl: string;
}

const passwords: Record<Side, string> = { identity: 'identity-of-tests', network: 'network-of-tests' };

function withDatabase(url: string, name: string): URL {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed;
}

function runtimeUrl(ownerUrl: string, side: Side): string {
  const url = new URL(ownerUrl);
  url.username = `vpn_${side}`;
  url.password = passwords[side];
  return url.href;
}

function databaseUrls(ownerUrl: string): TestDatabase {
  return { ownerUrl, identityUrl: runtimeUrl(ownerUrl, 'identity'), networkUrl: runtimeUrl(ownerUrl, 'network') };
}

/** Opens a connection as the role in the URL, runs one statement and closes the connection. */
export async function query<Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values?: unknown[],
): Promise<Row[]> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/**
 * A connection pool for specs that send many statements. The pool's `end()` resolves before PostgreSQL has closed each
 * connection. When the database is dropped right afterwards, a connection may still receive an error, which needs a listener.
 */
export function openPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config);
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** Creates a database from a template. @returns its URL */
export async function createDatabase(serverUrl: string, template = 'template1'): Promise<string> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await query(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${pg.escapeIdentifier(template)}`);
  return withDatabase(serverUrl, name).href;
}

export async function dropDatabase(url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  await query(withDatabase(url, 'postgres').href, `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
}

/** Copies a migrated database. PostgreSQL does not copy the grants on the database itself, so they are granted again. */
export async function cloneDatabase({ ownerUrl, template }: SharedPostgres): Promise<TestDatabase> {
  const urls = databaseUrls(await createDatabase(ownerUrl, template));
  const name = new URL(urls.ownerUrl).pathname.slice(1);
  await query(urls.ownerUrl, sides.map((side) => grantConnection(`vpn_${side}`, name)).join(''));
  return urls;
}

/**
 * Prevents the nightly comparison with the payment providers, which is due at 03:17 UTC, from starting during a test: it sets
 * the last run to the year 9999. Tests of the comparison start it themselves.
 */
export async function withoutNightlyComparison(ownerUrl: string): Promise<void> {
  await query(
    ownerUrl,
    `INSERT INTO identity_jobs._private_known_crontabs (identifier, known_since, last_execution)
     VALUES ('reconcile-payments', now(), '9999-12-31')
     ON CONFLICT (identifier) DO UPDATE SET last_execution = excluded.last_execution`,
  );
}

/** Creates a database and runs the migrations of both sides in it. */
export async function createMigratedDatabase(serverUrl: string): Promise<TestDatabase> {
  const urls = databaseUrls(await createDatabase(serverUrl));
  for (const side of sides) await migrate({ side, ownerUrl: urls.ownerUrl, runtimeUrl: urls[`${side}Url`] });
  await withoutNightlyComparison(urls.ownerUrl);
  return urls;
}
