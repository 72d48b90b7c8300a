import pg from 'pg';
import { vi } from 'vitest';
import { type IdentityMaintenance } from '../../src/prisma/identity/index.js';
import { type NetworkMaintenance } from '../../src/prisma/network/index.js';

/** Runs a maintenance job now: after its own pass, if it is at that. */
export async function runMaintenanceJob(
  maintenance: IdentityMaintenance | NetworkMaintenance,
  job: string,
): Promise<void> {
  await vi.waitUntil(() => maintenance.runOnce(job), 30_000);
}

/** Keeps a maintenance job from running, as a replica that is at it would, so that nothing happens beside a test. */
export async function holdMaintenanceJob(
  ownerUrl: string,
  side: 'identity' | 'network',
  job: string,
): Promise<{ release(): Promise<void> }> {
  const holder = new pg.Client(ownerUrl);
  // Its database may go before it does.
  holder.on('error', () => undefined);
  await holder.connect();
  await holder.query('SELECT pg_advisory_lock(hashtext($1), hashtext($2))', [`${side}-maintenance`, job]);
  return { release: () => holder.end() };
}
