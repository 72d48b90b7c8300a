import { Logger, runMigrations } from 'graphile-worker';
import pg from 'pg';
import { jobsSchema } from '../jobs-schema.js';

const id = pg.escapeIdentifier;

/** The tables that a worker reads and writes. The rest of graphile-worker's schema is for its owner. */
const workingTables = ['_private_jobs', '_private_job_queues', '_private_tasks', '_private_known_crontabs'];

/** Migrates the schema of the jobs for the installed graphile-worker. Repeating it changes nothing. */
export async function migrateJobs(pool: pg.Pool): Promise<void> {
  await runMigrations({ pgPool: pool, schema: jobsSchema, logger: new Logger(() => () => {}) });
}

/**
 * Grants exactly the rights that adding and running jobs needs. graphile-worker enables row security on its tables and defines
 * no policy, so only the owner sees rows. The policy here lets the service's role see them.
 */
export function grantJobRights(role: string): string {
  const [s, r] = [id(jobsSchema), id(role)];
  const tables = workingTables.map((table) => `${s}.${table}`);
  return `
    REVOKE ALL ON SCHEMA ${s} FROM PUBLIC, ${r};
    REVOKE ALL ON ALL TABLES IN SCHEMA ${s} FROM PUBLIC, ${r};
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ${s} FROM PUBLIC, ${r};
    GRANT USAGE ON SCHEMA ${s} TO ${r};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ${tables.join(', ')} TO ${r};
    GRANT SELECT ON ${s}.migrations, ${s}.jobs TO ${r};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${s} TO ${r};
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${s} TO ${r};
    ${tables.map((table) => policy(table, r)).join('')}`;
}

const policy = (table: string, role: string) => `
    DROP POLICY IF EXISTS service ON ${table};
    CREATE POLICY service ON ${table} TO ${role} USING (true) WITH CHECK (true);`;
