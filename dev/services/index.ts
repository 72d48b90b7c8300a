import { DataFolder } from './data-folder.js';
import { type Postgres, startPostgres } from './postgres.js';
import { type RedisServer, startRedis, useRedis } from './redis.js';

export { DataFolder } from './data-folder.js';
export { type Postgres, startPostgres } from './postgres.js';
export { type RedisServer, startRedis } from './redis.js';

export interface Services {
  /** Connects to PostgreSQL as the superuser. */
  readonly ownerUrl: string;
  readonly redisUrl: string;
  /** Ends both, and removes the data of an ephemeral stack. */
  stop(): Promise<void>;
  killPostgres(): Promise<void>;
  restartPostgres(): Promise<void>;
  killRedis(): Promise<void>;
  restartRedis(): Promise<void>;
  flushRedis(): Promise<void>;
}

export interface ServicesOptions {
  /** Keeps the data from one start to the next. Without it the stack is ephemeral: quick, and gone after `stop`. */
  readonly dataDir?: string;
  /** A Redis that already runs, instead of our own. */
  readonly redisUrl?: string;
}

/** PostgreSQL and Redis on free ports of 127.0.0.1, with all they write in one data folder. */
export async function startServices({ dataDir, redisUrl }: ServicesOptions = {}): Promise<Services> {
  const folder = dataDir === undefined ? await DataFolder.ephemeral() : await DataFolder.claim(dataDir);
  const started: (Postgres | RedisServer)[] = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
    folder.release();
  };
  try {
    const redis = redisUrl === undefined ? await startRedis(folder) : await useRedis(redisUrl);
    started.push(redis);
    const postgres = await startPostgres(folder);
    started.push(postgres);
    return {
      ownerUrl: postgres.ownerUrl,
      redisUrl: redis.redisUrl,
      stop,
      killPostgres: () => postgres.kill(),
      restartPostgres: () => postgres.restart(),
      killRedis: () => redis.kill(),
      restartRedis: () => redis.restart(),
      flushRedis: () => redis.flush(),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
