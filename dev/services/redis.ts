import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type DataFolder } from './data-folder.js';
import { findOrInstallRedis, oldestMajor } from './redis-program.js';
import { freePort, ServerProcess } from './server-process.js';

export interface RedisServer {
  readonly redisUrl: string;
  stop(): Promise<void>;
  /** Ends it as a crash would; `restart` brings it back on the same port with the same keys. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Forgets every key. */
  flush(): Promise<void>;
}

/** A Redis of our own on a free port of 127.0.0.1, with its append-only file in the data folder. */
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

/** A Redis that somebody else runs: checked, and never stopped by us. */
export async function useRedis(redisUrl: string): Promise<RedisServer> {
  await withRedis(redisUrl, async (redis) => {
    const info = await redis.info();
    const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown';
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'unknown';
    if (!(Number.parseInt(version) >= oldestMajor)) {
      throw new Error(`REDIS_URL: Redis ${version} found, ${oldestMajor}.0 or later is needed.`);
    }
    if (policy !== 'noeviction') {
      throw new Error(`REDIS_URL: its maxmemory-policy is ${policy}; spent tokens are only safe under noeviction.`);
    }
  });
  const refuse = () => Promise.reject(new Error('REDIS_URL names a Redis that this launcher does not run.'));
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
    // The process list goes on showing the configuration file, so that a person can see whose it is.
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
