import pg from 'pg';
import { vi } from 'vitest';
import { type IdentityMaintenance } from '../../src/prisma/identity/index.js';
import { type NetworkMaintenance } from '../../src/prisma/network/index.js';

/** Runs a job of upkeep now: after its own pass, if it is at that. */
export async function runUpkeep(upkeep: IdentityMaintenance | NetworkMaintenance, job: string): Promise<void> {
  await vi.waitUntil(() => upkeep.runOnce(job), 30_000);
}

/** Keeps a job of upkeep from running, as a replica that is at it would, so that nothing happens beside a test. */
export async function holdUpkeep(
  ownerUrl: string,
  side: 'identity' | 'network',
  job: string,
): Promise<{ release(): Promise<void> }> {
  const holder = new pg.Client(ownerUrl);
  // Its database may go before it does.
  holder.on('error', () => undefined);
  await holder.connect();
  await holder.query('SELECT pg_advisory_lock(hashtext($1), hashtext($2))', [`${side}-upkeep`, job]);
  return { release: () => holder.end() };
}
