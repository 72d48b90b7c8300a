import { randomInt } from 'node:crypto';
import { type TestProject } from 'vitest/node';
import { DataFolder, startPostgres } from '../../dev/services/index.js';
import { findOrInstallRedis } from '../../dev/services/redis-program.js';
import { createMigratedDatabase, type SharedPostgres } from './postgres.js';

declare module 'vitest' {
  interface ProvidedContext {
    postgres: SharedPostgres;
    seed: number;
  }
}

/**
 * Starts one PostgreSQL for the whole run, with a migrated database that test files clone, and chooses one seed for all random
 * tests.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const seed = Number(process.env['TEST_SEED'] ?? randomInt(2 ** 31));
  console.log(`Random tests use the seed ${seed}; TEST_SEED=${seed} repeats them.`);
  project.provide('seed', seed);

  // Once per run, since test files that run in parallel would all install it at the same time.
  await findOrInstallRedis();
  const folder = await DataFolder.ephemeral();
  const postgres = await startPostgres(folder);
  const stop = async () => {
    await postgres.stop();
    folder.release();
  };
  try {
    const { ownerUrl } = await createMigratedDatabase(postgres.ownerUrl);
    project.provide('postgres', { ownerUrl: postgres.ownerUrl, template: new URL(ownerUrl).pathname.slice(1) });
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}
