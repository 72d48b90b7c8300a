import { createHmac } from 'node:crypto';
import { Redis } from 'ioredis';
import pg from 'pg';

/* Shared by the two bare servers: the service's drivers and settings without the framework. */

/** As many connections as in the service, and one prepared statement for each SQL text. */
export function postgresPool(connectionString: string, schema: string): pg.Pool {
  const options = `-c search_path=${schema} -c statement_timeout=30000 -c timezone=UTC`;
  return new pg.Pool({ connectionString, max: 10, idleTimeoutMillis: 60_000, options });
}

export function redisClient(url: string): Redis {
  return new Redis(url, { commandTimeout: 100, enableOfflineQueue: true, enableAutoPipelining: true });
}

/** Counts a request and returns the count's time to live: one round trip, as the service's rate limit costs. */
const countScript = `redis.call('set', KEYS[1], 0, 'EX', 60, 'NX')
return { redis.call('incr', KEYS[1]), redis.call('pttl', KEYS[1]) }`;

/** A limit per minute under a keyed hash of its subject, like the service's limits. */
export function rateLimit(redis: Redis, prefix: string, perMinute: number): (subject: string) => Promise<void> {
  const name = `count${prefix.replaceAll(':', '')}`;
  redis.defineCommand(name, { numberOfKeys: 1, lua: countScript });
  const count = (redis as unknown as Record<string, (key: string) => Promise<[number, number]>>)[name];
  return async (subject) => {
    const pseudonym = createHmac('sha256', prefix).update(subject).digest('base64url').slice(0, 22);
    const [consumed] = (await count?.call(redis, `${prefix}:${pseudonym}`)) ?? [0];
    if (consumed > perMinute) throw new Error('rate limited');
  };
}

export function bearer(authorization: string | undefined): string {
  return authorization?.startsWith('Bearer ') === true ? authorization.slice(7) : '';
}
