import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { register } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestRedis } from '../../../test/support/redis.js';
import { TestClock } from '../../../test/support/test-clock.js';
import { type AppError } from '../errors/index.js';
import { networkOf } from './network-of.js';
import { RateLimiter } from './rate-limiter.js';

const address = '203.0.113.7';
const key = Buffer.alloc(32, 1);

let server: Awaited<ReturnType<typeof startTestRedis>>;
let redis: Redis;
let clock: TestClock;

beforeAll(async () => {
  server = await startTestRedis();
  const options = { lazyConnect: true, commandTimeout: 5_000, enableOfflineQueue: false, maxRetriesPerRequest: 0 };
  redis = new Redis(server.redisUrl, options).on('error', () => undefined);
  await redis.connect();
  clock = new TestClock();
});

afterEach(() => server.flush());

afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const limiter = (allowances = { address: 3, user: 0 }, secret = key) =>
  new RateLimiter(redis, 'gk:limit', secret, allowances, clock);

/** How many of `count` requests passed, and the error of the first that did not. */
async function letThrough(of: RateLimiter<'address' | 'user'>, count: number, subject = address) {
  const results = await Promise.allSettled(Array.from({ length: count }, () => of.consume('address', subject)));
  const refusal = results.find((result) => result.status === 'rejected')?.reason as AppError | undefined;
  return { passed: results.filter(({ status }) => status === 'fulfilled').length, refusal };
}

describe('RateLimiter', () => {
  it('allows a number of requests per minute, and answers the rest with Retry-After', async () => {
    const { passed, refusal } = await letThrough(limiter(), 10);
    expect(passed).toBe(3);
    expect([refusal?.code, refusal?.status]).toEqual(['rate_limited', 429]);
    expect(Number(refusal?.headers['retry-after'])).toBeGreaterThanOrEqual(59);
    expect(Number(refusal?.headers['retry-after'])).toBeLessThanOrEqual(60);
    expect((await letThrough(limiter(), 1, '203.0.113.8')).passed).toBe(1);
  });

  it('shares one limit among all replicas', async () => {
    const answers = await Promise.all([letThrough(limiter(), 5), letThrough(limiter(), 5)]);
    expect(answers.reduce((sum, { passed }) => sum + passed, 0)).toBe(3);
  });

  it('does not limit with 0, and leaves no key', async () => {
    expect((await letThrough(limiter({ address: 0, user: 0 }), 50)).passed).toBe(50);
    expect(await redis.keys('*')).toEqual([]);
  });

  it('leaves a key that identifies no subject and expires after a minute', async () => {
    await limiter().consume('address', address);
    const [name = '', ...others] = await redis.keys('*');
    expect(others).toEqual([]);
    expect(name).toMatch(/^gk:limit:address:[\w-]{22}$/);
    const plain = createHash('sha256').update(address).digest();
    for (const form of ['hex', 'base64', 'base64url'] as const) {
      expect(name).not.toContain(Buffer.from(address).toString(form).slice(0, 10));
      expect(name).not.toContain(plain.toString(form).slice(0, 10));
    }
    expect(await redis.get(name)).toBe('1');
    expect(await redis.pttl(name)).toBeLessThanOrEqual(60_000);
    expect(await redis.pttl(name)).toBeGreaterThan(50_000);
  });

  it('uses another key the next day and under another secret, so that keys cannot be matched', async () => {
    await limiter().consume('address', address);
    await limiter().consume('address', address);
    clock.advance(86_400_000);
    await limiter().consume('address', address);
    await limiter(undefined, Buffer.alloc(32, 2)).consume('address', address);
    expect(await redis.keys('*')).toHaveLength(3);
  });

  it('lets every request pass while Redis does not answer, and counts them', async () => {
    const unlimited = async () => {
      const metric = await register.getSingleMetric('rate_limit_unavailable_total')?.get();
      return metric?.values[0]?.value ?? 0;
    };
    const before = await unlimited();
    await server.kill();
    try {
      expect((await letThrough(limiter(), 20)).passed).toBe(20);
      expect(await unlimited()).toBe(before + 20);
    } finally {
      await server.restart();
      await expect.poll(() => redis.status, { timeout: 10_000 }).toBe('ready');
    }
    expect((await letThrough(limiter(), 10)).passed).toBe(3);
  });
});

describe('networkOf', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
    ['2001:DB8:1:2::', '2001:db8:1:2::'],
    ['::1', '::'],
    ['what is no address', 'what is no address'],
  ])('%s is %s', (given, network) => expect(networkOf(given)).toBe(network));

  it('gives one limit to all addresses of an IPv6 /64', async () => {
    const answers = await Promise.all(
      ['1', '2', '3', '4'].map((host) => letThrough(limiter(), 1, `2001:db8::${host}`)),
    );
    expect(answers.reduce((sum, { passed }) => sum + passed, 0)).toBe(3);
    expect((await letThrough(limiter(), 1, '2001:db8:0:1::1')).passed).toBe(1);
  });
});
