import { createHmac, hkdfSync } from 'node:crypto';
import { type Redis } from 'ioredis';
import { Counter } from 'prom-client';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { type Clock } from '../config/index.js';
import { AppError } from '../errors/index.js';
import { networkOf } from './network-of.js';

const unavailable = new Counter({
  name: 'rate_limit_unavailable_total',
  help: 'Requests let through because Redis did not answer.',
});

/**
 * Allowances a minute, counted in Redis for all replicas.
 *
 * A key holds a keyed hash of its subject under a salt that changes daily, never the subject: yesterday's keys cannot be
 * matched with today's, and a dump of Redis alone names no address.
 */
export class RateLimiter<Kind extends string> {
  private readonly limiters: ReadonlyMap<Kind, RateLimiterRedis>;
  private readonly key: Buffer;

  /** @param allowances requests a minute for each kind of subject; 0 turns that limit off. */
  constructor(
    redis: Redis,
    prefix: string,
    secretKey: Buffer,
    allowances: Readonly<Record<Kind, number>>,
    private readonly clock: Clock,
  ) {
    this.key = Buffer.from(hkdfSync('sha256', secretKey, '', 'rate-limit', 32));
    const limited = (Object.entries(allowances) as [Kind, number][]).filter(([, points]) => points > 0);
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
   * @throws {AppError} `rate_limited` with `Retry-After` when its allowance of this minute is used up. A Redis that does
   * not answer lets the request through: limits protect the service, they are not what makes it correct.
   */
  async consume(kind: Kind, subject: string): Promise<void> {
    const limiter = this.limiters.get(kind);
    if (limiter === undefined) return;
    try {
      await limiter.consume(this.pseudonym(kind === 'address' ? networkOf(subject) : subject));
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) return unavailable.inc();
      const seconds = Math.ceil(refusal.msBeforeNext / 1000);
      throw new AppError('rate_limited', `Too many requests. Try again in ${seconds} s.`, {
        headers: { 'retry-after': String(seconds) },
      });
    }
  }

  private pseudonym(subject: string): string {
    const day = this.clock.now().toISOString().slice(0, 10);
    const salt = createHmac('sha256', this.key).update(day).digest();
    return createHmac('sha256', salt).update(subject).digest('base64url').slice(0, 22);
  }
}
