import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readModel, sides, withSchemaEngine } from '../../src/prisma/migrate/index.js';
import { readDatabaseCatalog } from '../support/database-catalog.js';
import { createDatabase, dropDatabase, query } from '../support/postgres.js';

describe.each(sides)('the %s database', (side) => {
  let migrated: string;
  let modelled: string;

  beforeAll(async () => {
    const { ownerUrl, template } = inject('postgres');
    migrated = await createDatabase(ownerUrl, template);
    modelled = await createDatabase(ownerUrl);
    const pool = new pg.Pool({ connectionString: modelled, options: `-c search_path=${side}` });
    const model = readModel(side);
    await pool.query(await withSchemaEngine(pool, side, model, (engine) => engine.diff(undefined, model)));
    await pool.end();
  });

  afterAll(() => Promise.all([dropDatabase(migrated), dropDatabase(modelled)]));

  it('equals schema.prisma after all migrations', async () => {
    const catalog = await readDatabaseCatalog(modelled, side);
    expect(catalog.length).toBeGreaterThan(30);
    expect(await readDatabaseCatalog(migrated, side)).toEqual(catalog);
  });

  const table = side === 'identity' ? 'Subscription' : 'Connection';
  it.each([
    ['a dropped column', `ALTER TABLE "${table}" DROP COLUMN status CASCADE`],
    ['another type', 'ALTER TABLE "MaintenanceRun" ALTER last_at TYPE timestamptz(3)'],
    ['a default', `ALTER TABLE "MaintenanceRun" ALTER name SET DEFAULT 'x'`],
    ['a nullable column', 'ALTER TABLE "MaintenanceRun" ALTER last_at DROP NOT NULL'],
    ['another index', 'CREATE INDEX another ON "MaintenanceRun" (last_at)'],
    [
      'an index with another predicate',
      `DROP INDEX IF EXISTS "Connection_expires_at_idx"; CREATE INDEX "Connection_expires_at_idx" ON "${table}" (status)`,
    ],
    [
      'a dropped foreign key',
      `ALTER TABLE "${side === 'identity' ? 'TokenIssuance' : 'Node'}" DROP CONSTRAINT "${side === 'identity' ? 'TokenIssuance_user_id_fkey' : 'Node_location_id_fkey'}"`,
    ],
    ['another enum value', `ALTER TYPE "${table}Status" ADD VALUE 'another'`],
    ['another table', 'CREATE TABLE another (id int)'],
  ])('differs from schema.prisma with %s', async (_, change) => {
    const { ownerUrl, template } = inject('postgres');
    const changed = await createDatabase(ownerUrl, template);
    try {
      await query(changed, `SET search_path TO ${side}; ${change}`);
      expect(await readDatabaseCatalog(changed, side)).not.toEqual(await readDatabaseCatalog(modelled, side));
    } finally {
      await dropDatabase(changed);
    }
  });
});
