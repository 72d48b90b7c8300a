import { Redis } from 'ioredis';
import { vi } from 'vitest';
import { DataFolder, type RedisServer, startRedis } from '../../dev/services/index.js';

/**
 * Emptied servers for the next spec files of this process: starting a Redis takes longer than many spec files. They end with
 * the process.
 */
const idle: RedisServer[] = [];

/** Starts a Redis, or reuses an idle one. Until `stop`, only this spec file uses it. */
export async function startTestRedis(): Promise<RedisServer> {
  const redis = idle.pop() ?? (await startRedis(await DataFolder.ephemeral()));
  return {
    ...redis,
    stop: async () => {
      if (idle.includes(redis)) throw new Error('this Redis was already stopped; another spec file may be using it');
      if (await empty(redis)) idle.push(redis);
      else await redis.stop();
    },
  };
}

/**
 * Empties a server. Resolves to false when the server is down because the spec file killed it.
 *
 * @throws {Error} when a client is still connected: it could write into the data of the next spec file.
 */
async function empty(server: RedisServer): Promise<boolean> {
  try {
    await server.flush();
  } catch {
    return false;
  }
  const redis = new Redis(server.redisUrl);
  try {
    await vi.waitFor(async () => {
      const clients = String(await redis.client('LIST'))
        .trim()
        .split('\n');
      if (clients.length > 1)
        throw new Error(`${clients.length - 1} clients are still connected. Close them before stopping Redis.`);
    }, 5_000);
    return true;
  } finally {
    redis.disconnect();
  }
}
