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

/** A role name that needs quoting, and a password that needs it more. */
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

describe('migrating a database', () => {
  it('is done once however many do it at once, and again changes nothing', async () => {
    const runtimeUrl = urlFor(role, password);
    const run = () => migrate({ side: 'identity', ownerUrl, runtimeUrl });
    const results = await Promise.all([run(), run(), run()]);
    expect(results.map(({ length }) => length).sort()).toEqual([0, 0, names.length]);
    expect(await run()).toEqual([]);
    expect(await query(ownerUrl, applied)).toEqual(names.map((name) => ({ migration_name: name, finished: true })));
    expect(await query(runtimeUrl, 'SELECT current_user AS name')).toEqual([{ name: role }]);
  });

  it('changes the password of its role, and writes it nowhere in clear', async () => {
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

  it('takes away rights that somebody added', async () => {
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
    ['nobody', () => 'postgresql://127.0.0.1/x', 'must name a user and a password'],
  ])('refuses to serve as %s', async (_, runtimeUrl, message) => {
    await expect(migrate({ side: 'network', ownerUrl, runtimeUrl: runtimeUrl() })).rejects.toThrow(message);
  });

  it('gives an owner who may not change roles the role that is there', async () => {
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

describe('a migration', () => {
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

  it('that fails half-way leaves nothing of itself', async () => {
    await expect(run('CREATE TABLE half (id int); CREATE TABLE half (id int);')).rejects.toThrow(
      'relation "half" already exists',
    );
    expect(await query(ownerUrl, `SELECT to_regclass('scratch.half') AS found`)).toEqual([{ found: null }]);
    expect(await query(ownerUrl, 'SELECT finished_at FROM scratch._prisma_migrations')).toEqual([
      { finished_at: null },
    ]);
    await query(ownerUrl, 'DROP SCHEMA scratch CASCADE');
  });

  it('may hold semicolons in strings, comments and functions', async () => {
    const sql = `CREATE TABLE texts (t text DEFAULT 'a;b'); -- one; two
      CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;`;
    expect(await run(sql)).toEqual(['one']);
    expect(await query(ownerUrl, 'SELECT scratch.f()')).toEqual([{ f: 1 }]);
    await query(ownerUrl, 'DROP SCHEMA scratch CASCADE');
  });

  it('is known to be done even when its runner was killed before saying so', async () => {
    // The engine's own mark comes second, and fails here as it would by a kill.
    const second = `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'killed'; END $$;
      CREATE TRIGGER fail BEFORE UPDATE ON _prisma_migrations FOR EACH ROW
      WHEN (OLD.migration_name = 'two' AND OLD.finished_at IS NOT NULL) EXECUTE FUNCTION fail();`;
    await expect(run(second, 'CREATE TABLE done (id int)')).rejects.toThrow('killed');
    const state = `SELECT to_regclass('scratch.done') IS NOT NULL AS done, finished_at IS NOT NULL AS finished
      FROM scratch._prisma_migrations WHERE migration_name = 'two'`;
    expect(await query(ownerUrl, state)).toEqual([{ done: true, finished: true }]);
    await query(ownerUrl, 'DROP SCHEMA scratch CASCADE');
  });

  it('that was begun and not finished is applied by the next run', async () => {
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
