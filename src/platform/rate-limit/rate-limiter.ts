import { type Redis } from 'ioredis';
import { Counter } from 'prom-client';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { type Clock } from '../config/index.js';
import { AppError } from '../errors/index.js';
import { Pseudonyms } from './pseudonyms.js';

const unavailable = new Counter({
  name: 'rate_limit_unavailable_total',
  help: 'Requests that were not limited because Redis did not answer.',
});

/**
 * Limits requests per minute, counted in Redis for all replicas.
 *
 * A Redis key holds a keyed hash of its subject, under a salt that changes daily, and never the subject itself. So the keys of
 * two days cannot be matched, and a dump of Redis alone reveals no address.
 */
export class RateLimiter<Kind extends string> {
  private readonly limiters: ReadonlyMap<Kind, RateLimiterRedis>;
  private readonly pseudonyms: Pseudonyms;

  /** @param limits requests per minute for each kind of subject; 0 turns that limit off */
  constructor(
    redis: Redis,
    prefix: string,
    secretKey: Buffer,
    limits: Readonly<Record<Kind, number>>,
    private readonly clock: Clock,
  ) {
    this.pseudonyms = new Pseudonyms(secretKey);
    const limited = (Object.entries(limits) as [Kind, number][]).filter(([, points]) => points > 0);
    this.limiters = new Map(
      limited.map(([kind, points]) => [
        kind,
        new RateLimiterRedis({ storeClient: redis, keyPrefix: `${prefix}:${kind}`, points, duration: 60 }),
      ]),
    );
  }

  /**
   * Counts one request of a subject.
   *
   * @throws {AppError} `rate_limited` with `Retry-After` when the limit of this minute is reached. When Redis does not
   * answer, the request passes: limits protect the service, but correctness does not depend on them.
   */
  async consume(kind: Kind, subject: string): Promise<void> {
    const limiter = this.limiters.get(kind);
    if (limiter === undefined) return;
    try {
      const now = this.clock.now();
      await limiter.consume(
        kind === 'address' ? this.pseudonyms.ofAddress(subject, now) : this.pseudonyms.of(subject, now),
      );
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) return unavailable.inc();
      const seconds = Math.ceil(refusal.msBeforeNext / 1000);
      throw new AppError('rate_limited', `Too many requests. Try again in ${seconds} s.`, {
        headers: { 'retry-after': String(seconds) },
      });
    }
  }
}
