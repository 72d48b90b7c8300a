import { DataFolder, type RedisServer, startRedis } from '../../dev/services/index.js';

/** Emptied, for the next spec file of this process: to start one takes longer than many a file's tests. They end with it. */
const idle: RedisServer[] = [];

/** A Redis of this spec file's own until `stop`. */
export async function startTestRedis(): Promise<RedisServer> {
  const redis = idle.pop() ?? (await startRedis(await DataFolder.ephemeral()));
  return {
    ...redis,
    stop: async () => {
      try {
        await redis.flush();
        idle.push(redis);
      } catch {
        // The file had killed it.
        await redis.stop();
      }
    },
  };
}
