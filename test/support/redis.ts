import { DataFolder, type RedisServer, startRedis } from '../../dev/services/index.js';

/** A Redis of this test file's own, gone after `stop`. */
export async function startTestRedis(): Promise<RedisServer> {
  const folder = await DataFolder.ephemeral();
  const redis = await startRedis(folder);
  return {
    ...redis,
    stop: async () => {
      await redis.stop();
      folder.release();
    },
  };
}
