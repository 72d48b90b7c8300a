import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type DataFolder } from './data-folder.js';
import { findOrInstallRedis, minMajor } from './redis-program.js';
import { freePort, ServerProcess } from './server-process.js';

export interface RedisServer {
  readonly redisUrl: string;
  stop(): Promise<void>;
  /** Ends it like a crash. `restart` starts it again on the same port with the same keys. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Deletes all keys. */
  flush(): Promise<void>;
}

/** Starts Redis on a free port of 127.0.0.1, with its append-only file in the data folder. */
export async function startRedis(folder: DataFolder): Promise<RedisServer> {
  const program = await findOrInstallRedis();
  const home = join(folder.path, 'redis');
  const port = await freePort();
  const password = randomBytes(18).toString('hex');
  const redisUrl = `redis://:${password}@127.0.0.1:${port}`;
  const configFile = join(home, 'redis.conf');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  writeFileSync(configFile, configuration({ home, port, password, ephemeral: folder.ephemeral }), { mode: 0o600 });

  const server = new ServerProcess(folder, {
    name: 'redis',
    command: program.path,
    args: [configFile],
    cwd: home,
    env: { ...process.env, ...program.env },
    stopSignal: 'SIGTERM',
    ping: () => withRedis(redisUrl, async (redis) => void (await redis.ping())),
  });
  await server.start();
  return {
    redisUrl,
    stop: () => server.stop(),
    kill: () => server.kill(),
    restart: async () => {
      await server.stop();
      await server.start();
    },
    flush: () => withRedis(redisUrl, async (redis) => void (await redis.flushall())),
  };
}

/** Uses a Redis that this launcher does not run: checks its settings, and never stops it. */
export async function useRedis(redisUrl: string): Promise<RedisServer> {
  await withRedis(redisUrl, async (redis) => {
    const info = await redis.info();
    const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown';
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'unknown';
    if (!(Number.parseInt(version) >= minMajor)) {
      throw new Error(`REDIS_URL: found Redis ${version}, but ${minMajor}.0 or later is required.`);
    }
    if (policy !== 'noeviction') {
      throw new Error(
        `REDIS_URL: its maxmemory-policy is ${policy}. Set noeviction, so that Redis never drops spent tokens.`,
      );
    }
  });
  const refuse = () => Promise.reject(new Error('This launcher does not run the Redis of REDIS_URL.'));
  return { redisUrl, stop: () => Promise.resolve(), kill: refuse, restart: refuse, flush: refuse };
}

function configuration(of: { home: string; port: number; password: string; ephemeral: boolean }): string {
  return [
    'bind 127.0.0.1',
    `port ${of.port}`,
    `requirepass ${of.password}`,
    `dir ${JSON.stringify(of.home)}`,
    'maxmemory-policy noeviction',
    'save ""',
    'appendonly yes',
    `appendfsync ${of.ephemeral ? 'no' : 'everysec'}`,
    // The process list then shows the configuration file, so that a developer sees which stack the process belongs to.
    'set-proc-title no',
    'daemonize no',
    '',
  ].join('\n');
}

async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 2_000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}
