import { Logger, runMigrations } from 'graphile-worker';
import pg from 'pg';
import { jobsSchema } from '../jobs-schema.js';

const id = pg.escapeIdentifier;

/** What a worker reads and writes; the rest of graphile-worker's schema is for its owner. */
const workingTables = ['_private_jobs', '_private_job_queues', '_private_tasks', '_private_known_crontabs'];

/** Brings the schema of the jobs to what the installed graphile-worker expects. Repeating it changes nothing. */
export async function migrateJobs(pool: pg.Pool): Promise<void> {
  await runMigrations({ pgPool: pool, schema: jobsSchema, logger: new Logger(() => () => {}) });
}

/**
 * Exactly the rights that adding and working jobs needs. graphile-worker switches row security on for its tables and
 * defines no policy, so that nobody but the owner sees a row: the service's role gets one.
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
