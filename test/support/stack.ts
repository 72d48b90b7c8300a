import { inject } from 'vitest';
import { DataFolder, startPostgres } from '../../dev/services/index.js';
import { cloneDatabase, createMigratedDatabase, dropDatabase, type TestDatabase } from './postgres.js';
import { startTestRedis } from './redis.js';

export { query } from './postgres.js';

/** Real stores that only one test file uses: a database with the tables of both sides, and a Redis. */
export interface TestStack extends TestDatabase {
  readonly redisUrl: string;
  killRedis(): Promise<void>;
  restartRedis(): Promise<void>;
  flushRedis(): Promise<void>;
  /** Needs `ownPostgres`, since other test files use the shared server. */
  killPostgres(): Promise<void>;
  restartPostgres(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestStackOptions {
  /** Starts a PostgreSQL for this test file alone, which takes about a second. For tests that kill it. */
  readonly ownPostgres?: boolean;
}

export async function createTestStack({ ownPostgres = false }: TestStackOptions = {}): Promise<TestStack> {
  const [database, redis] = await Promise.all([ownPostgres ? ownDatabase() : clonedDatabase(), startTestRedis()]);
  return {
    ...database.urls,
    redisUrl: redis.redisUrl,
    killRedis: () => redis.kill(),
    restartRedis: () => redis.restart(),
    flushRedis: () => redis.flush(),
    killPostgres: database.kill,
    restartPostgres: database.restart,
    stop: async () => {
      await Promise.all([database.stop(), redis.stop()]);
    },
  };
}

interface StackDatabase {
  readonly urls: TestDatabase;
  kill: () => Promise<void>;
  restart: () => Promise<void>;
  stop(): Promise<void>;
}

async function clonedDatabase(): Promise<StackDatabase> {
  const urls = await cloneDatabase(inject('postgres'));
  const refuse = () =>
    Promise.reject(new Error('Other test files use this PostgreSQL. Use createTestStack({ ownPostgres: true }).'));
  return { urls, kill: refuse, restart: refuse, stop: () => dropDatabase(urls.ownerUrl) };
}

async function ownDatabase(): Promise<StackDatabase> {
  const folder = await DataFolder.ephemeral();
  const postgres = await startPostgres(folder);
  const stop = async () => {
    await postgres.stop();
    folder.release();
  };
  try {
    const urls = await createMigratedDatabase(postgres.ownerUrl);
    return { urls, kill: () => postgres.kill(), restart: () => postgres.restart(), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
