import { Redis } from 'ioredis';
import { vi } from 'vitest';
import { DataFolder, type RedisServer, startRedis } from '../../dev/services/index.js';

/** Emptied, for the next spec file of this process: to start one takes longer than many a file's tests. They end with it. */
const idle: RedisServer[] = [];

/** A Redis of this spec file's own until `stop`. */
export async function startTestRedis(): Promise<RedisServer> {
  const redis = idle.pop() ?? (await startRedis(await DataFolder.ephemeral()));
  return {
    ...redis,
    stop: async () => {
      if (idle.includes(redis)) throw new Error('this Redis was stopped before, and may be another file’s by now');
      if (await isClean(redis)) idle.push(redis);
      else await redis.stop();
    },
  };
}

/**
 * Empties it. False when it is down, because the file killed it.
 *
 * @throws {Error} when a client is still connected: what it writes would be the next file's.
 */
async function isClean(server: RedisServer): Promise<boolean> {
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
        throw new Error(`clients that stay connected to a Redis that was stopped: ${clients.length - 1}`);
    }, 5_000);
    return true;
  } finally {
    redis.disconnect();
  }
}
