import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { grantConnection, migrate, type Side, sides } from '../../src/prisma/migrate/index.js';

/** What global set-up hands to every test file. */
export interface SharedPostgres {
  /** Connects as the superuser to the database `postgres`. */
  readonly ownerUrl: string;
  /** A database with both schemas, to clone. */
  readonly template: string;
}

/** One database with both sides in it. Each URL connects as the role named. */
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

/** Runs one statement, as whoever the URL names. */
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
 * A pool of connections that last, for a spec that sends many statements. `end()` resolves before PostgreSQL has closed each
 * connection, so a database that is dropped right afterwards may still send an error to one: that error has no listener but this.
 */
export function openPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config);
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** A new empty database on the server. */
export async function createDatabase(serverUrl: string, template = 'template1'): Promise<string> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await query(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${pg.escapeIdentifier(template)}`);
  return withDatabase(serverUrl, name).href;
}

export async function dropDatabase(url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  await query(withDatabase(url, 'postgres').href, `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
}

/** A copy of a migrated database. Rights on the database itself are not copied with it. */
export async function cloneDatabase({ ownerUrl, template }: SharedPostgres): Promise<TestDatabase> {
  const urls = databaseUrls(await createDatabase(ownerUrl, template));
  const name = new URL(urls.ownerUrl).pathname.slice(1);
  await query(urls.ownerUrl, sides.map((side) => grantConnection(`vpn_${side}`, name)).join(''));
  return urls;
}

/**
 * Keeps the comparison with the payment providers from starting by itself at 03:17 UTC, in the midst of a test: in this
 * database it has run for good already. Tests that are about it run it.
 */
export async function withoutNightlyComparison(ownerUrl: string): Promise<void> {
  await query(
    ownerUrl,
    `INSERT INTO identity_jobs._private_known_crontabs (identifier, known_since, last_execution)
     VALUES ('reconcile-payments', now(), '9999-12-31')
     ON CONFLICT (identifier) DO UPDATE SET last_execution = excluded.last_execution`,
  );
}

/** Both sides migrated into one new database. */
export async function createMigratedDatabase(serverUrl: string): Promise<TestDatabase> {
  const urls = databaseUrls(await createDatabase(serverUrl));
  for (const side of sides) await migrate({ side, ownerUrl: urls.ownerUrl, runtimeUrl: urls[`${side}Url`] });
  await withoutNightlyComparison(urls.ownerUrl);
  return urls;
}
