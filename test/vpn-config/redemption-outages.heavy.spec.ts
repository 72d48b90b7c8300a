import { register } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type AgentNode,
  type RedemptionRequest,
  race,
  redeemAt,
  type SilentNode,
  startAnonymizer,
  type TestAnonymizer,
} from '../support/anonymizer.js';
import { wireguardKey } from '../support/fleet.js';
import { query } from '../support/stack.js';

let anonymizer: TestAnonymizer;
let node: AgentNode;
let silent: SilentNode;
let request: RedemptionRequest;

beforeAll(async () => {
  anonymizer = await startAnonymizer({ ownPostgres: true });
  node = await anonymizer.addNode();
  silent = await anonymizer.addSilentNode();
});

beforeEach(async () => {
  await anonymizer.setStatus(silent, 'unhealthy');
  await anonymizer.setStatus(node, 'healthy');
  request = await anonymizer.request();
});

/** Repairs what a test has broken. */
afterEach(async () => {
  const { stack } = anonymizer;
  await stack.flushRedis().catch(() => stack.restartRedis());
  await query(stack.ownerUrl, 'SELECT 1').catch(() => stack.restartPostgres());
  await expect.poll(() => anonymizer.redis.ping().catch(String), { timeout: 15_000 }).toBe('PONG');
  await anonymizer.redis.config('SET', 'maxmemory', '0');
  await anonymizer.redis.call('CLIENT', 'UNPAUSE');
  await expect.poll(() => anonymizer.refresh().then(() => 'read', String), { timeout: 15_000 }).toBe('read');
});

afterAll(() => anonymizer.stop());

const reused = { status: 409, code: 'token_reused' };
const outage = { status: 503, code: 'unavailable' };
const thief = () => anonymizer.redeem({ ...request, public_key: wireguardKey() });

async function withoutRedis(): Promise<number> {
  const metric = await register.getSingleMetric('redemptions_without_redis_total')?.get();
  return metric?.values[0]?.value ?? 0;
}

/** Expects that redemption works with the PostgreSQL row alone, and that the metric counts it. */
async function expectOneConnection(): Promise<void> {
  const before = await withoutRedis();
  const first = await anonymizer.connect(request);
  expect(first.status).toBe(200);
  expect(await withoutRedis()).toBeGreaterThan(before);
  expect(await thief()).toMatchObject(reused);
  expect(await anonymizer.connect(request)).toMatchObject({ status: 200, connection_id: first.connection_id });
  const raced = await anonymizer.request();
  const racers = Array.from({ length: 30 }, () => ({ ...raced, public_key: wireguardKey() }));
  const statuses = (await race([anonymizer.service], racers)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.filter((status) => status === 409)).toHaveLength(29);
}

describe('RedemptionService while Redis', () => {
  it('is down still redeems, and refuses spent tokens after Redis comes back empty', async () => {
    await anonymizer.stack.killRedis();
    await expectOneConnection();
    await anonymizer.stack.restartRedis();
    expect(await thief()).toMatchObject(reused);
    expect((await anonymizer.connect(request)).status).toBe(200);
  });

  it('is slow still redeems, and tolerates marks that are set late', async () => {
    await anonymizer.redis.call('CLIENT', 'PAUSE', '60000', 'WRITE');
    await expectOneConnection();
    await anonymizer.redis.call('CLIENT', 'UNPAUSE');
    await expect.poll(() => anonymizer.redis.keys('spent:*')).not.toEqual([]);
    expect(await thief()).toMatchObject(reused);
    expect((await anonymizer.connect(request)).status).toBe(200);
  });

  it('is full still redeems', async () => {
    await anonymizer.redis.config('SET', 'maxmemory', '1');
    await expectOneConnection();
    await anonymizer.redis.config('SET', 'maxmemory', '0');
  });

  it('loses all data makes no second connection', async () => {
    const first = await anonymizer.connect(request);
    await anonymizer.stack.flushRedis();
    expect(await thief()).toMatchObject(reused);
    await anonymizer.stack.flushRedis();
    expect(await anonymizer.connect(request)).toMatchObject({ status: 200, connection_id: first.connection_id });
  });
});

describe('RedemptionService while PostgreSQL is down', () => {
  const restarted = async () => {
    await anonymizer.stack.restartPostgres();
    await expect.poll(() => anonymizer.refresh().then(() => 'read', String), { timeout: 15_000 }).toBe('read');
  };

  it('answers 503 and spends no token, so that it can be redeemed with any key later', async () => {
    await anonymizer.stack.killPostgres();
    const { public_key: _, ...keyless } = request;
    for (const body of [request, keyless]) {
      const answer = await anonymizer.redeem(body);
      expect(answer).toMatchObject(outage);
      expect(answer.headers.get('retry-after')).toBe('1');
    }
    expect(await anonymizer.redis.keys('spent:*')).toHaveLength(0);
    await restarted();
    expect((await anonymizer.connect({ ...request, public_key: wireguardKey() })).status).toBe(200);
  });

  it('still returns the connection to the same client when the outage began during the wait for the node', async () => {
    await anonymizer.setStatus(silent, 'healthy');
    await anonymizer.setStatus(node, 'draining');
    for (;;) {
      const answer = anonymizer.redeem(request);
      await silent.nextPeer();
      await anonymizer.stack.killPostgres();
      const { status, code } = await answer;
      await restarted();
      expect(status).toBe(503);
      if (code === 'unavailable') break;
      // On a busy machine, the wait for the node ended before the database was down.
      request = await anonymizer.request();
    }
    expect(await thief()).toMatchObject(reused);
    await anonymizer.setStatus(node, 'healthy');
    await anonymizer.setStatus(silent, 'unhealthy');
    expect(await anonymizer.connect(request)).toMatchObject({ status: 200, server_public_key: node.publicKey });
  });

  it('answers 503, not unknown_location, when it was down from the start', async () => {
    await anonymizer.stack.killPostgres();
    const late = await anonymizer.addCutOff();
    expect(await redeemAt(late.url, request)).toMatchObject(outage);
  });
});
