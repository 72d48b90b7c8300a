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
  // The clock stands still: at midnight everybody gets another name in Redis, and is counted anew.
  service = await startTestApp(
    { ...gatekeeperEnv(stack), ...anonymizerEnv(stack), ...limits, ...env },
    new TestClock(new Date()),
  );
  return service;
}

/** The status of a request that says it comes from somewhere. */
const statusOf = async ({ url }: TestApp, path: string, forwardedFor: string) =>
  (await fetch(`${url}${path}`, { headers: { 'x-forwarded-for': forwardedFor } })).status;

/** Sends so many requests, which are let through, and then one that is not; or some more, should Redis have been slow. */
async function useUp(app: TestApp, path: string, forwardedFor: readonly string[], status: number): Promise<void> {
  for (const header of forwardedFor) expect(await statusOf(app, path, header)).toBe(status);
  await expect.poll(() => statusOf(app, path, forwardedFor[0] ?? '')).toBe(429);
}

let others = 0;
const another = () => `203.0.113.${(others += 1)}`;
const anotherProxy = () => `10.1.2.${(others += 1)}`;

const [ada, bob, eve] = ['198.51.100.1', '198.51.100.2', '198.51.100.3'] as const;

describe('requests from one address', () => {
  it('are limited, on each side by itself, whoever they say that they come from', async () => {
    const app = await start({});
    await useUp(app, '/vpn/locations', [ada, bob], 200);
    // Somebody else each time: who they say that they are gives them nothing of their own.
    await expect.poll(() => statusOf(app, '/vpn/locations', another())).toBe(429);
    await useUp(app, '/subscription', [ada, bob, eve], 401);
  });

  it('through a trusted proxy are those of the address that the proxy saw, not of the one that it was told', async () => {
    const app = await start({ TRUST_PROXY: '127.0.0.1/32, 10.0.0.0/8' });
    await useUp(app, '/vpn/locations', [ada, ada], 200);
    expect(await statusOf(app, '/vpn/locations', bob)).toBe(200);
    // With an address of the client's own making in front; and behind two proxies of ours.
    await expect.poll(() => statusOf(app, '/vpn/locations', `${another()}, ${ada}`)).toBe(429);
    await expect.poll(() => statusOf(app, '/vpn/locations', `${eve}, ${ada}, ${anotherProxy()}`)).toBe(429);
    expect(await statusOf(app, '/vpn/locations', `${ada}, ${eve}`)).toBe(200);
  });

  it('leave no address in Redis', async () => {
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
    // The same address has another name on the other side: the two cannot be matched.
    expect(new Set(names.map((name) => name.slice(-22))).size).toBe(3);
  });

  it('are limited at every endpoint, but for keys, health and the webhooks, whose senders sign', async () => {
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
      // Polled for, since a Redis that is slow lets a request through.
      else await expect.poll(statusNow, { message: name }).toBe(429);
    }
  });

  it('for keys and health are never limited: who cannot compare keys cannot find out that theirs differ', async () => {
    const app = await start({});
    const paths = ['/.well-known/private-token-issuer-directory', '/health/live', '/health/ready'];
    for (const path of [...paths, ...paths, ...paths, ...paths]) expect(await statusOf(app, path, ada)).toBe(200);
  });
});
