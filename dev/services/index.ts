import { DataFolder } from './data-folder.js';
import { type Postgres, startPostgres } from './postgres.js';
import { type RedisServer, startRedis, useRedis } from './redis.js';

export { DataFolder } from './data-folder.js';
export { startPostgres } from './postgres.js';
export { type RedisServer, startRedis } from './redis.js';

export interface Services {
  /**
   * Connects to PostgreSQL as the superuser.
   *
   * @throws {Error} without a PostgreSQL of our own.
   */
  readonly ownerUrl: string;
  readonly redisUrl: string;
  /** Records a process that belongs to the stack, so that the next start ends it if this launcher is killed. */
  adopt(pid: number): void;
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
  /** Every database that is needed runs elsewhere: start no PostgreSQL. */
  readonly withoutPostgres?: boolean;
}

/** PostgreSQL and Redis on free ports of 127.0.0.1, with all they write in one data folder. */
export async function startServices(options: ServicesOptions = {}): Promise<Services> {
  const { dataDir, redisUrl, withoutPostgres = false } = options;
  const folder = dataDir === undefined ? await DataFolder.ephemeral() : await DataFolder.claim(dataDir);
  const started: (Postgres | RedisServer)[] = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
    folder.release();
  };
  try {
    const redis = redisUrl === undefined ? await startRedis(folder) : await useRedis(redisUrl);
    started.push(redis);
    const postgres = withoutPostgres ? nobodysPostgres : await startPostgres(folder);
    started.push(postgres);
    return {
      get ownerUrl() {
        return postgres.ownerUrl;
      },
      redisUrl: redis.redisUrl,
      adopt: (pid) => folder.adopt(pid),
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

const refusal = 'This launcher runs no PostgreSQL: every database URL was given.';

const nobodysPostgres: Postgres = {
  get ownerUrl(): string {
    throw new Error(refusal);
  },
  stop: () => Promise.resolve(),
  kill: () => Promise.reject(new Error(refusal)),
  restart: () => Promise.reject(new Error(refusal)),
};
