import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MetricsServer } from '../../src/platform/health/index.js';
import { anonymizerEnv, type Env, gatekeeperEnv, startTestApp, type TestApp } from '../support/app.js';
import { createTestStack, query, type TestStack } from '../support/stack.js';

let stack: TestStack;
const running: TestApp[] = [];

beforeAll(async () => {
  stack = await createTestStack({ ownPostgres: true });
});

afterEach(async () => {
  for (const service of running.splice(0)) await service.stop();
});

afterAll(() => stack.stop());

async function start(env: Env): Promise<TestApp> {
  const service = await startTestApp(env);
  running.push(service);
  return service;
}

const both = () => ({ ...gatekeeperEnv(stack), ...anonymizerEnv(stack) });
const readiness = async ({ url }: TestApp) => {
  const response = await fetch(`${url}/health/ready`);
  return { code: response.status, ...((await response.json()) as { status: string; down: string[] }) };
};

describe('SERVICE_ROLE', () => {
  it('all serves both sides', async () => {
    const service = await start(both());
    await expect.poll(() => readiness(service)).toEqual({ code: 200, status: 'ready', down: [] });
    expect((await fetch(`${service.url}/vpn/locations`)).status).toBe(200);
    expect((await fetch(`${service.url}/subscription`)).status).toBe(401);
  });

  it('gatekeeper serves no anonymous endpoint', async () => {
    const service = await start({ SERVICE_ROLE: 'gatekeeper', ...gatekeeperEnv(stack) });
    await expect.poll(() => readiness(service)).toMatchObject({ code: 200, status: 'ready' });
    expect((await fetch(`${service.url}/vpn/locations`)).status).toBe(404);
    expect((await fetch(`${service.url}/subscription`)).status).toBe(401);
  });

  it('anonymizer serves no endpoint about users, and starts without the gatekeeper', async () => {
    const service = await start({
      SERVICE_ROLE: 'anonymizer',
      ...anonymizerEnv(stack),
      ISSUER_DIRECTORY_URL: 'http://127.0.0.1:9/.well-known/private-token-issuer-directory',
    });
    expect((await readiness(service)).code).toBe(200);
    expect((await fetch(`${service.url}/vpn/locations`)).status).toBe(200);
    expect((await fetch(`${service.url}/subscription`)).status).toBe(404);
  });
});

describe('readiness', { timeout: 90_000 }, () => {
  it('is degraded without Redis, unavailable without PostgreSQL, and ready when they are back', async () => {
    const service = await start(both());
    await stack.killRedis();
    expect(await readiness(service)).toEqual({
      code: 200,
      status: 'degraded',
      down: ['identity-redis', 'network-redis'],
    });
    await stack.restartRedis();
    await stack.killPostgres();
    await expect
      .poll(() => readiness(service))
      .toEqual({
        code: 503,
        status: 'unavailable',
        down: ['identity-database', 'network-database'],
      });
    expect((await fetch(`${service.url}/health/live`)).status).toBe(200);
    await stack.restartPostgres();
    await expect.poll(() => readiness(service), { timeout: 40_000 }).toEqual({ code: 200, status: 'ready', down: [] });
  });

  it('refuses to start with a Redis that may evict keys, and is degraded if that changes later', async () => {
    const redis = new Redis(stack.redisUrl);
    const service = await start(both());
    try {
      await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
      await expect(start(both())).rejects.toThrow('noeviction');
      expect(await readiness(service)).toMatchObject({ status: 'degraded', down: ['identity-redis', 'network-redis'] });
    } finally {
      await redis.config('SET', 'maxmemory-policy', 'noeviction');
      redis.disconnect();
    }
  });

  it('becomes ready when PostgreSQL comes up after the service', async () => {
    await stack.killPostgres();
    const service = await start(both());
    expect(await readiness(service)).toMatchObject({ code: 503, status: 'unavailable' });
    await stack.restartPostgres();
    await expect.poll(() => readiness(service), { timeout: 40_000 }).toEqual({ code: 200, status: 'ready', down: [] });
  });

  it('becomes ready when Redis comes up after the service', async () => {
    await stack.killRedis();
    const service = await start(both());
    expect(await readiness(service)).toMatchObject({ code: 200, status: 'degraded' });
    await stack.restartRedis();
    await expect.poll(() => readiness(service), { timeout: 40_000 }).toEqual({ code: 200, status: 'ready', down: [] });
  });
});

describe('metrics', () => {
  it('are served on a separate port, and contain route patterns but no paths', async () => {
    const service = await start(both());
    await fetch(`${service.url}/node/00000000-0000-4000-8000-00000000abcd/pulse`, { method: 'POST' });
    const text = await (await fetch(`http://127.0.0.1:${service.app.get(MetricsServer).port()}/metrics`)).text();
    expect(text).toContain('route="/node/:id/pulse"');
    expect(text).not.toContain('abcd');
    expect((await fetch(`${service.url}/metrics`)).status).toBe(404);
  });
});

describe('shutdown', () => {
  it('reports draining to load balancers for SHUTDOWN_NOTICE_S seconds, and still serves requests', async () => {
    const service = await startTestApp({ ...both(), SHUTDOWN_NOTICE_S: '3' });
    const ended = service.stop();
    const [reported, served] = await Promise.all([readiness(service), fetch(`${service.url}/vpn/locations`)]);
    expect(reported).toMatchObject({ code: 503, status: 'draining' });
    expect(served.status).toBe(200);
    await ended;
    await expect(readiness(service)).rejects.toThrow();
  });

  it('completes a running request and accepts no new ones', async () => {
    const service = await startTestApp(both());
    const lock = new pg.Client(stack.ownerUrl);
    await lock.connect();
    await lock.query('BEGIN; LOCK TABLE network."EnrolmentToken"');
    const running = fetch(`${service.url}/node/register`, {
      method: 'POST',
      headers: { authorization: `Bearer ${'x'.repeat(43)}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        public_key: randomBytes(32).toString('base64'),
        ip: '127.0.0.1',
        location_id: 'de-frankfurt',
      }),
    });
    await expect
      .poll(() =>
        query(
          stack.ownerUrl,
          // Ignores the purge job, which waits for the same table.
          "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query NOT LIKE '%DELETE FROM%'",
        ),
      )
      .not.toEqual([]);
    const ended = service.stop();
    const probe = () =>
      fetch(`${service.url}/health/live`).then(
        () => 'answers',
        () => 'refuses',
      );
    await expect.poll(probe).toBe('refuses');
    await lock.query('ROLLBACK');
    expect((await running).status).toBe(401);
    await ended;
    await lock.end();
  });
});
