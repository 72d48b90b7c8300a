import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readMigrations } from '../../src/prisma/migrate/migration-files.js';
import { createDatabase, dropDatabase } from '../support/postgres.js';

const migration = '20261130220000_plain_names';

let ownerUrl: string;
beforeAll(async () => {
  ownerUrl = await createDatabase(inject('postgres').ownerUrl);
});
afterAll(() => dropDatabase(ownerUrl));

describe(`the migration ${migration}`, () => {
  it('keeps parked events, now as dead-lettered', async () => {
    const owner = new pg.Client({ connectionString: ownerUrl, options: '-c search_path=identity' });
    await owner.connect();
    try {
      await owner.query('CREATE SCHEMA identity');
      const migrations = readMigrations('identity');
      const first = migrations.findIndex(({ path }) => path === migration);
      expect(first).toBeGreaterThan(0);
      const apply = async (chosen: typeof migrations) => {
        for (const { migrationFile } of chosen) await owner.query(migrationFile.content.value);
      };
      await apply(migrations.slice(0, first));
      await owner.query(
        `INSERT INTO "WebhookEvent" (provider, event_id, type, lookup, occurred_at, received_at, state, reason)
         VALUES ('stripe', 'evt_parked', 'invoice.paid', 'cus_1', now(), now(), 'parked', 'unknown_price')`,
      );
      await apply(migrations.slice(first));
      const { rows } = await owner.query('SELECT event_id, object_ref, state::text, reason FROM "WebhookEvent"');
      expect(rows).toEqual([
        { event_id: 'evt_parked', object_ref: 'cus_1', state: 'dead_lettered', reason: 'unknown_price' },
      ]);
    } finally {
      await owner.end();
    }
  });
});
