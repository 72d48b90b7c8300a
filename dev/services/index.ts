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
   * @throws {Error} when this stack runs no PostgreSQL
   */
  readonly ownerUrl: string;
  readonly redisUrl: string;
  /** Contains all files of both, and their logs: `postgres.log`, `redis.log`. */
  readonly folder: string;
  /** Records a process of the stack, so that the next start ends it if this launcher is killed. */
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
  /** Stores the data between starts. Without it the stack is ephemeral: faster, and deleted by `stop`. */
  readonly dataDir?: string;
  /** A running Redis to use instead of starting one. */
  readonly redisUrl?: string;
  /** Starts no PostgreSQL, because all databases run elsewhere. */
  readonly withoutPostgres?: boolean;
}

/** Starts PostgreSQL and Redis on free ports of 127.0.0.1, with all their files in one data folder. */
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
    const postgres = withoutPostgres ? noPostgres : await startPostgres(folder);
    started.push(postgres);
    return {
      get ownerUrl() {
        return postgres.ownerUrl;
      },
      redisUrl: redis.redisUrl,
      folder: folder.path,
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

const noPostgresError = 'This launcher runs no PostgreSQL, because all database URLs were given.';

const noPostgres: Postgres = {
  get ownerUrl(): string {
    throw new Error(noPostgresError);
  },
  stop: () => Promise.resolve(),
  kill: () => Promise.reject(new Error(noPostgresError)),
  restart: () => Promise.reject(new Error(noPostgresError)),
};
