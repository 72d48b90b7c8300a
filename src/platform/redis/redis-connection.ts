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

  /**
   * Connects. A Redis that is away keeps no process from starting, for whatever uses it goes on without it; it is connected
   * to when it comes back. One that may evict keys is refused.
   */
  async connect(): Promise<void> {
    const [policy] = await Promise.all([
      this.patientlyAskForPolicy().catch(() => undefined),
      this.client.connect().catch(() => undefined),
    ]);
    if (policy !== undefined) this.refuseToForget(policy);
  }

  /**
   * Rejects when Redis is away, and when it may evict keys: it would forget spent tokens and limits under pressure. One that
   * takes longer than a request would wait for it is asked again.
   */
  async check(): Promise<void> {
    this.refuseToForget(await evictionPolicyOf(this.client).catch(() => evictionPolicyOf(this.client)));
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
  private async patientlyAskForPolicy(): Promise<string> {
    const patient = this.open({ ...options, commandTimeout: 5_000, enableReadyCheck: true, retryStrategy: () => null });
    try {
      await patient.connect();
      return await evictionPolicyOf(patient);
    } finally {
      patient.disconnect();
    }
  }

  private refuseToForget(policy: string): void {
    if (policy === 'noeviction') return;
    throw new Error(`${this.name}: Redis must run with maxmemory-policy noeviction, not ${policy}`);
  }

  private open(settings: RedisOptions): Redis {
    const redis = new Redis(this.url, settings);
    // Without a listener ioredis prints the error, and the address in it, to the console.
    redis.on('error', () => connectionErrors.inc({ client: this.name }));
    return redis;
  }
}

async function evictionPolicyOf(redis: Redis): Promise<string> {
  return /maxmemory_policy:(\S+)/.exec(await redis.info('memory'))?.[1] ?? 'an unknown one';
}
