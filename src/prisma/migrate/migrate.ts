import pg from 'pg';
import { refuseOldPostgres, versionQuery } from '../postgres-version.js';
import { grantJobRights, migrateJobs } from './migrate-jobs.js';
import { migrationsFolder, readMigrations, readModel, type Side } from './migration-files.js';
import {
  closePublicSchema,
  ensureRole,
  grantConnection,
  grantRights,
  refuseSharedRole,
  roleOf,
} from './runtime-role.js';
import { withSchemaEngine } from './schema-engine.js';

export interface MigrateOptions {
  readonly side: Side;
  /** Connects as the database's owner, who may create schemas, and roles unless the runtime role exists already. */
  readonly ownerUrl: string;
  /** The URL that the service will use. It names the role that gets rights, and its password. */
  readonly runtimeUrl: string;
}

/** Allows one migration at a time per database. "vpn" in ASCII; the same for both sides, since both change the database. */
const lockKey = 0x76706e;

/**
 * Migrates one side's database to this version: schema, tables, the runtime role and its rights. Repeating it changes nothing.
 * When several run at once, one works and the others wait. A kill never leaves a migration half-applied, and the next run
 * continues from there.
 *
 * @returns the names of the applied migrations
 * @throws {PostgresTooOld} before anything is changed
 */
export async function migrate({ side, ownerUrl, runtimeUrl }: MigrateOptions): Promise<readonly string[]> {
  const role = roleOf(runtimeUrl);
  const pool = new pg.Pool({ connectionString: ownerUrl, options: `-c search_path=${side}`, max: 3 });
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  try {
    const session = await pool.connect();
    try {
      refuseOldPostgres(side, (await session.query<{ num: number }>(versionQuery)).rows);
      await session.query('SELECT pg_advisory_lock($1)', [lockKey]);
      await refuseSharedRole(session, role.name, side);
      await ensureRole(session, role);
      await session.query(`CREATE SCHEMA IF NOT EXISTS ${side}`);
      await markUnfinishedRolledBack(session, side);
      const applied = await withSchemaEngine(pool, side, readModel(side), (engine) =>
        engine.applyMigrations(migrationsFolder(side), readMigrations(side)),
      );
      if (side === 'identity') await migrateJobs(pool);
      await closePublicSchema(session);
      // One request with several statements is one transaction, so a running service never loses its rights in between.
      const jobRights = side === 'identity' ? grantJobRights(role.name) : '';
      await session.query(
        grantConnection(role.name, await databaseName(session)) + grantRights(side, role.name) + jobRights,
      );
      return applied;
    } finally {
      // Ends the session, and with it the lock.
      session.release(true);
    }
  } finally {
    await pool.end();
  }
}

/** An unfinished migration was rolled back, because it commits in one transaction with its finish mark. */
async function markUnfinishedRolledBack(session: pg.ClientBase, side: Side): Promise<void> {
  const { rows } = await session.query<{ known: boolean }>('SELECT to_regclass($1) IS NOT NULL AS known', [
    `${side}._prisma_migrations`,
  ]);
  if (rows[0]?.known !== true) return;
  await session.query(
    'UPDATE _prisma_migrations SET rolled_back_at = now() WHERE finished_at IS NULL AND rolled_back_at IS NULL',
  );
}

async function databaseName(session: pg.ClientBase): Promise<string> {
  const { rows } = await session.query<{ name: string }>('SELECT current_database() AS name');
  return rows[0]?.name ?? '';
}
