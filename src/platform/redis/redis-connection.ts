import { Redis, type RedisOptions } from 'ioredis';
import { Counter } from 'prom-client';

const options: RedisOptions = {
  lazyConnect: true,
  connectTimeout: 5_000,
  // A slow Redis must not delay a request. Callers continue without it and count that.
  commandTimeout: 100,
  enableOfflineQueue: false,
  // The ready check would be a command with the same short timeout. While Redis loads its data, each command fails by itself.
  enableReadyCheck: false,
  maxRetriesPerRequest: 0,
  enableAutoPipelining: true,
  retryStrategy: (attempt) => Math.min(50 * attempt, 1_000),
};

const connectionErrors = new Counter({
  name: 'redis_connection_errors_total',
  help: 'Connection errors of each Redis client.',
  labelNames: ['client'],
});

/** One side's Redis. All its keys start with the side's own prefix, which the stores spell out. */
export abstract class RedisConnection {
  readonly client: Redis;
  private readonly subscribers: Redis[] = [];

  protected constructor(
    private readonly name: string,
    private readonly url: string,
  ) {
    this.client = this.open(options);
  }

  /**
   * Connects. The process starts even when Redis does not answer: every user of Redis continues without it, and the client
   * reconnects. A Redis that may evict keys stops the start.
   */
  async connect(): Promise<void> {
    const [policy] = await Promise.all([
      this.readEvictionPolicy().catch(() => undefined),
      this.client.connect().catch(() => undefined),
    ]);
    if (policy !== undefined) this.refuseEviction(policy);
  }

  /**
   * Rejects when Redis does not answer, and when it may evict keys: under memory pressure it would drop spent tokens and limits.
   * The check is repeated once, because Redis may be slow for a moment.
   */
  async check(): Promise<void> {
    this.refuseEviction(await evictionPolicyOf(this.client).catch(() => evictionPolicyOf(this.client)));
  }

  /** Opens a separate connection for subscriptions. It restores them when Redis is back. */
  subscriber(): Redis {
    const subscriber = this.open({
      ...options,
      enableOfflineQueue: true,
      maxRetriesPerRequest: null,
      commandTimeout: undefined,
    });
    this.subscribers.push(subscriber);
    return subscriber;
  }

  close(): void {
    for (const connection of [...this.subscribers, this.client]) connection.disconnect();
  }

  /** Uses a separate connection with a longer timeout, because a process that is starting may be busy for a while. */
  private async readEvictionPolicy(): Promise<string> {
    const connection = this.open({
      ...options,
      commandTimeout: 5_000,
      enableReadyCheck: true,
      retryStrategy: () => null,
    });
    try {
      await connection.connect();
      return await evictionPolicyOf(connection);
    } finally {
      connection.disconnect();
    }
  }

  private refuseEviction(policy: string): void {
    if (policy === 'noeviction') return;
    throw new Error(`${this.name}: Redis must run with maxmemory-policy noeviction, not ${policy}`);
  }

  private open(settings: RedisOptions): Redis {
    const redis = new Redis(this.url, settings);
    // Without a listener, ioredis prints the error with its address to the console.
    redis.on('error', () => connectionErrors.inc({ client: this.name }));
    return redis;
  }
}

async function evictionPolicyOf(redis: Redis): Promise<string> {
  return /maxmemory_policy:(\S+)/.exec(await redis.info('memory'))?.[1] ?? 'an unknown policy';
}
