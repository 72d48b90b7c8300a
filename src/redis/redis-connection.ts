import { Redis, type RedisOptions } from 'ioredis';
import { Counter } from 'prom-client';

const options: RedisOptions = {
  lazyConnect: true,
  connectTimeout: 5_000,
  // A slow Redis must not hold a request: callers go on without it and count that they did.
  commandTimeout: 100,
  enableOfflineQueue: false,
  // It would be a command with the same short time-out; while Redis loads its data, each command says so itself.
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

/** One side's Redis. Its keys all start with the side's own prefix, which the stores spell out. */
export abstract class RedisConnection {
  readonly client: Redis;
  private readonly subscribers: Redis[] = [];

  protected constructor(
    private readonly name: string,
    private readonly url: string,
  ) {
    this.client = this.open(options);
  }

  /** Connects, and refuses a Redis that may evict keys: it would forget spent tokens and limits under pressure. */
  async connect(): Promise<void> {
    await this.client.connect();
    const policy = /maxmemory_policy:(\S+)/.exec(await this.memoryInfo())?.[1];
    if (policy !== 'noeviction') {
      throw new Error(
        `${this.name}: Redis must run with maxmemory-policy noeviction, not ${policy ?? 'an unknown one'}`,
      );
    }
  }

  async ping(): Promise<void> {
    await this.client.ping();
  }

  /** A connection of its own for subscriptions, which restores them when Redis comes back. */
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

  /** Over a connection of its own: a process that is still starting may well be busy for longer than a request can wait. */
  private async memoryInfo(): Promise<string> {
    const patient = this.open({ ...options, commandTimeout: 5_000, enableReadyCheck: true });
    try {
      await patient.connect();
      return await patient.info('memory');
    } finally {
      patient.disconnect();
    }
  }

  private open(settings: RedisOptions): Redis {
    const redis = new Redis(this.url, settings);
    // Without a listener ioredis prints the error, and the address in it, to the console.
    redis.on('error', () => connectionErrors.inc({ client: this.name }));
    return redis;
  }
}
