import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { migrate } from '../../src/prisma/migrate/index.js';
import { withSchemaEngine } from '../../src/prisma/migrate/schema-engine.js';
import { createDatabase, dropDatabase, query } from '../support/postgres.js';

let ownerUrl: string;
beforeAll(async () => {
  ownerUrl = await createDatabase(inject('postgres').ownerUrl);
});
afterAll(() => dropDatabase(ownerUrl));

/** A role name and a password that need quoting. */
const suffix = randomBytes(4).toString('hex');
const role = `Odd "role" ${suffix}`;
const password = `it's $1 \\ ? / @ : # é ${suffix}`;

function urlFor(name: string, secret: string): string {
  const url = new URL(ownerUrl);
  url.username = encodeURIComponent(name);
  url.password = encodeURIComponent(secret);
  return url.href;
}

const applied = `SELECT migration_name, finished_at IS NOT NULL AS finished FROM identity._prisma_migrations WHERE rolled_back_at IS NULL ORDER BY 1`;
const names = readdirSync('prisma/identity/migrations').sort();

describe('migrate', () => {
  it('applies each migration once when three runs start at once, and changes nothing when repeated', async () => {
    const runtimeUrl = urlFor(role, password);
    const run = () => migrate({ side: 'identity', ownerUrl, runtimeUrl });
    const results = await Promise.all([run(), run(), run()]);
    expect(results.map(({ length }) => length).sort()).toEqual([0, 0, names.length]);
    expect(await run()).toEqual([]);
    expect(await query(ownerUrl, applied)).toEqual(names.map((name) => ({ migration_name: name, finished: true })));
    expect(await query(runtimeUrl, 'SELECT current_user AS name')).toEqual([{ name: role }]);
  });

  it('sets a new password of the role, and stores it only as a SCRAM verifier', async () => {
    const next = `${password} next`;
    await migrate({ side: 'identity', ownerUrl, runtimeUrl: urlFor(role, next) });
    expect(await query(urlFor(role, next), 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    await expect(query(urlFor(role, password), 'SELECT 1')).rejects.toThrow('password authentication failed');
    const [stored] = await query<{ rolpassword: string }>(
      ownerUrl,
      'SELECT rolpassword FROM pg_authid WHERE rolname = $1',
      [role],
    );
    expect(stored?.rolpassword).toMatch(/^SCRAM-SHA-256\$4096:/);
  });

  it('revokes rights that were added by hand', async () => {
    await query(ownerUrl, `GRANT TRUNCATE ON identity."User" TO ${pg.escapeIdentifier(role)}`);
    const runtimeUrl = urlFor(role, password);
    await migrate({ side: 'identity', ownerUrl, runtimeUrl });
    await expect(query(runtimeUrl, 'TRUNCATE identity."User" CASCADE')).rejects.toThrow(
      'permission denied for table User',
    );
  });

  it.each([
    ['the owner', () => ownerUrl, 'is the owner, an administrator or a member of another role'],
    ["the other side's role", () => urlFor(role, password), 'already serves the identity side'],
    ['no user', () => 'postgresql://127.0.0.1/x', 'must name a user and a password'],
  ])('refuses a runtime URL with %s', async (_, runtimeUrl, message) => {
    await expect(migrate({ side: 'network', ownerUrl, runtimeUrl: runtimeUrl() })).rejects.toThrow(message);
  });

  it('uses an existing role when the owner may not change roles', async () => {
    const owner = `owner_${suffix}`;
    const runtime = `runtime_${suffix}`;
    const database = new URL(ownerUrl).pathname.slice(1);
    await query(
      ownerUrl,
      `CREATE ROLE ${owner} LOGIN PASSWORD 'x'; CREATE ROLE ${runtime} LOGIN PASSWORD 'y'; ALTER DATABASE ${database} OWNER TO ${owner}`,
    );
    await migrate({ side: 'network', ownerUrl: urlFor(owner, 'x'), runtimeUrl: urlFor(runtime, 'z') });
    expect(await query(urlFor(runtime, 'y'), 'SELECT count(*) FROM network."Node"')).toEqual([{ count: '0' }]);
  });
});

describe('SchemaEngine.applyMigrations', () => {
  const run = async (...scripts: string[]) => {
    const pool = new pg.Pool({ connectionString: ownerUrl, options: '-c search_path=scratch' });
    try {
      await pool.query('CREATE SCHEMA IF NOT EXISTS scratch');
      return await withSchemaEngine(pool, 'scratch', 'datasource db {\n provider = "postgresql"\n}', (engine) =>
        engine.applyMigrations(
          '/none',
          scripts.map((value, index) => ({
            path: ['one', 'two'][index] ?? '',
            migrationFile: { path: 'migration.sql', content: { tag: 'ok', value } },
          })),
        ),
      );
    } finally {
      await pool.end();
    }
  };

  it('rolls back a migration that fails half-way', async () => {
    await expect(run('CREATE TABLE half (id int); CREATE TABLE half (id int);')).rejects.toThrow(
      'relation "half" already exists',
    );
    expect(await query(ownerUrl, `SELECT to_regclass('scratch.half') AS found`)).toEqual([{ found: null }]);
    expect(await query(ownerUrl, 'SELECT finished_at FROM scratch._prisma_migrations')).toEqual([
      { finished_at: null },
    ]);
    await query(ownerUrl, 'DROP SCHEMA scratch CASCADE');
  });

  it('accepts semicolons in strings, comments and functions', async () => {
    const sql = `CREATE TABLE texts (t text DEFAULT 'a;b'); -- one; two
      CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;`;
    expect(await run(sql)).toEqual(['one']);
    expect(await query(ownerUrl, 'SELECT scratch.f()')).toEqual([{ f: 1 }]);
    await query(ownerUrl, 'DROP SCHEMA scratch CASCADE');
  });

  it('marks a migration as finished in its own transaction, even when its runner is killed afterwards', async () => {
    // The engine writes its own mark afterwards. Here that fails, as it would after a kill.
    const second = `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'killed'; END $$;
      CREATE TRIGGER fail BEFORE UPDATE ON _prisma_migrations FOR EACH ROW
      WHEN (OLD.migration_name = 'two' AND OLD.finished_at IS NOT NULL) EXECUTE FUNCTION fail();`;
    await expect(run(second, 'CREATE TABLE done (id int)')).rejects.toThrow('killed');
    const state = `SELECT to_regclass('scratch.done') IS NOT NULL AS done, finished_at IS NOT NULL AS finished
      FROM scratch._prisma_migrations WHERE migration_name = 'two'`;
    expect(await query(ownerUrl, state)).toEqual([{ done: true, finished: true }]);
    await query(ownerUrl, 'DROP SCHEMA scratch CASCADE');
  });

  it('applies an unfinished migration in the next run', async () => {
    const runtimeUrl = urlFor(role, password);
    await query(ownerUrl, 'DROP SCHEMA identity CASCADE');
    await query(ownerUrl, `CREATE SCHEMA identity; CREATE TYPE identity."BlockReason" AS ENUM ('x')`);
    await expect(migrate({ side: 'identity', ownerUrl, runtimeUrl })).rejects.toThrow(
      'type "BlockReason" already exists',
    );
    await query(ownerUrl, 'DROP TYPE identity."BlockReason"');
    expect(await migrate({ side: 'identity', ownerUrl, runtimeUrl })).toEqual(names);
  });
});
