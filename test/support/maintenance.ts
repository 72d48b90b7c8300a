import pg from 'pg';
import { vi } from 'vitest';
import { type IdentityMaintenance } from '../../src/prisma/identity/index.js';
import { type NetworkMaintenance } from '../../src/prisma/network/index.js';

/** Runs a maintenance job. If the job is already running, waits and then runs it again. */
export async function runMaintenanceJob(
  maintenance: IdentityMaintenance | NetworkMaintenance,
  job: string,
): Promise<void> {
  await vi.waitUntil(() => maintenance.runOnce(job), 30_000);
}

/** Holds the lock of a maintenance job, as a replica that runs it does, so that the job can't run during a test. */
export async function holdMaintenanceJob(
  ownerUrl: string,
  side: 'identity' | 'network',
  job: string,
): Promise<{ release(): Promise<void> }> {
  const holder = new pg.Client(ownerUrl);
  // The test may drop the database while this connection is open.
  holder.on('error', () => undefined);
  await holder.connect();
  await holder.query('SELECT pg_advisory_lock(hashtext($1), hashtext($2))', [`${side}-maintenance`, job]);
  return { release: () => holder.end() };
}
