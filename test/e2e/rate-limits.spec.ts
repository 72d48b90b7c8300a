import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { anonymizerEnv, type Env, gatekeeperEnv, startTestApp, type TestApp } from '../support/app.js';
import { committedDocument, operationsOf } from '../support/bad-input/api-document.js';
import { send } from '../support/bad-input/http.js';
import { createTestStack, type TestStack } from '../support/stack.js';
import { TestClock } from '../support/test-clock.js';

let stack: TestStack;
let service: TestApp | undefined;

beforeAll(async () => {
  stack = await createTestStack();
});

afterEach(async () => {
  await service?.stop();
  await stack.flushRedis();
});

afterAll(() => stack.stop());

async function start(env: Env): Promise<TestApp> {
  const limits = { RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: '2', RATE_LIMIT_IDENTITY_ADDRESS_PER_MINUTE: '3' };
  // A fixed clock: at midnight, addresses get new pseudonyms in Redis and their counts start again.
  service = await startTestApp(
    { ...gatekeeperEnv(stack), ...anonymizerEnv(stack), ...limits, ...env },
    new TestClock(new Date()),
  );
  return service;
}

/** The status of a request with this X-Forwarded-For header. */
const statusOf = async ({ url }: TestApp, path: string, forwardedFor: string) =>
  (await fetch(`${url}${path}`, { headers: { 'x-forwarded-for': forwardedFor } })).status;

/** Sends requests up to the limit, and then more until one is refused: a slow Redis may let some through. */
async function exhaustLimit(
  app: TestApp,
  path: string,
  forwardedFor: readonly string[],
  status: number,
): Promise<void> {
  for (const header of forwardedFor) expect(await statusOf(app, path, header)).toBe(status);
  await expect.poll(() => statusOf(app, path, forwardedFor[0] ?? '')).toBe(429);
}

let others = 0;
const another = () => `203.0.113.${(others += 1)}`;
const anotherProxy = () => `10.1.2.${(others += 1)}`;

const [ada, bob, eve] = ['198.51.100.1', '198.51.100.2', '198.51.100.3'] as const;

describe('rate limits by address', () => {
  it('count each side separately, and ignore X-Forwarded-For without a trusted proxy', async () => {
    const app = await start({});
    await exhaustLimit(app, '/vpn/locations', [ada, bob], 200);
    // A new address in the header each time gives no new quota.
    await expect.poll(() => statusOf(app, '/vpn/locations', another())).toBe(429);
    await exhaustLimit(app, '/subscription', [ada, bob, eve], 401);
  });

  it('use the address that a trusted proxy saw, not the one that the client sent to it', async () => {
    const app = await start({ TRUST_PROXY: '127.0.0.1/32, 10.0.0.0/8' });
    await exhaustLimit(app, '/vpn/locations', [ada, ada], 200);
    expect(await statusOf(app, '/vpn/locations', bob)).toBe(200);
    // First with an address that the client invented, then behind two trusted proxies.
    await expect.poll(() => statusOf(app, '/vpn/locations', `${another()}, ${ada}`)).toBe(429);
    await expect.poll(() => statusOf(app, '/vpn/locations', `${eve}, ${ada}, ${anotherProxy()}`)).toBe(429);
    expect(await statusOf(app, '/vpn/locations', `${ada}, ${eve}`)).toBe(200);
  });

  it('store no address in Redis', async () => {
    const app = await start({ TRUST_PROXY: '127.0.0.1/32' });
    for (const address of [ada, bob]) await statusOf(app, '/vpn/locations', address);
    await statusOf(app, '/subscription', ada);
    const redis = new Redis(stack.redisUrl);
    const names = (await redis.keys('*')).filter((name) => !name.startsWith('spent:'));
    redis.disconnect();
    const pseudonym = '[\\w-]{22}';
    expect(names.map((name) => name.replace(new RegExp(`${pseudonym}$`), '…')).sort()).toEqual([
      'an:limit:address:…',
      'an:limit:address:…',
      'gk:limit:address:…',
    ]);
    // The same address has different pseudonyms on the two sides, so that they cannot be linked.
    expect(new Set(names.map((name) => name.slice(-22))).size).toBe(3);
  });

  it('apply to every endpoint except keys, health checks and the signed webhooks', async () => {
    const one = { RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: '1', RATE_LIMIT_IDENTITY_ADDRESS_PER_MINUTE: '1' };
    const { url } = await start({ ...one, TRUST_PROXY: '127.0.0.1/32' });
    const unlimited = [
      'GET /.well-known/private-token-issuer-directory',
      'GET /health/live',
      'GET /health/ready',
      'POST /payment/webhooks/apple',
      'POST /payment/webhooks/stripe',
    ];
    for (const [index, { name, method, path, body }] of operationsOf(committedDocument()).entries()) {
      const from = { 'x-forwarded-for': `198.51.100.${index + 1}` };
      const json = { headers: { ...from, 'content-type': 'application/json' }, body: '{}' };
      const request = { method, path, ...(body === undefined ? { headers: from } : json) };
      const statusNow = async () => (await send(url, request)).status;
      expect(await statusNow(), name).not.toBe(429);
      if (unlimited.includes(name)) expect(await statusNow(), name).not.toBe(429);
      // Polled, since a slow Redis may let a request through.
      else await expect.poll(statusNow, { message: name }).toBe(429);
    }
  });

  it('never apply to keys and health checks, so that every client can compare keys', async () => {
    const app = await start({});
    const paths = ['/.well-known/private-token-issuer-directory', '/health/live', '/health/ready'];
    for (const path of [...paths, ...paths, ...paths, ...paths]) expect(await statusOf(app, path, ada)).toBe(200);
  });
});
