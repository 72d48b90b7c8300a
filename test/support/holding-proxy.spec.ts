import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../dev/services/server-process.js';
import { HoldingProxy } from './holding-proxy.js';
import { createTestStack, query, type TestStack } from './stack.js';
import { http, postgres, redis as resp } from './wire-protocols.js';

let stack: TestStack;
const cleanUp: (() => Promise<unknown> | void)[] = [];

beforeAll(async () => {
  stack = await createTestStack();
});

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

afterAll(() => stack.stop());

const portOf = (url: string) => Number(new URL(url).port);

async function throughPostgres(): Promise<[HoldingProxy, pg.Client]> {
  const proxy = await HoldingProxy.start([portOf(stack.ownerUrl)], postgres);
  const client = new pg.Client(proxy.through(stack.ownerUrl));
  client.on('error', () => undefined);
  await client.connect();
  cleanUp.push(
    () => client.end().catch(() => undefined),
    () => proxy.stop(),
  );
  await client.query('CREATE TABLE IF NOT EXISTS kept (n int)');
  await client.query('TRUNCATE kept');
  return [proxy, client];
}

async function throughRedis(): Promise<[HoldingProxy, Redis]> {
  const proxy = await HoldingProxy.start([portOf(stack.redisUrl)], resp);
  const client = new Redis(proxy.through(stack.redisUrl), { retryStrategy: () => null, maxRetriesPerRequest: 0 });
  client.on('error', () => undefined);
  cleanUp.push(
    () => client.disconnect(),
    () => proxy.stop(),
  );
  await client.flushall();
  return [proxy, client];
}

/** Prepared the first time, named after that. */
const insert = (client: pg.Client, n: number) =>
  client.query({ name: 'keep', text: 'INSERT INTO kept VALUES ($1)', values: [n] });
const kept = () => query(stack.ownerUrl, 'SELECT n FROM kept ORDER BY n');

describe('a connection to PostgreSQL', () => {
  it('stops before a statement, which PostgreSQL then never sees', async () => {
    const [proxy, client] = await throughPostgres();
    await insert(client, 1);
    const reached = proxy.hold('before', /INSERT INTO kept/);
    const lost = expect(insert(client, 2)).rejects.toThrow();
    (await reached).cut();
    await lost;
    expect(await kept()).toEqual([{ n: 1 }]);
  });

  it('stops after a statement, which is done, and whose answer never comes', async () => {
    const [proxy, client] = await throughPostgres();
    const reached = proxy.hold('after', /INSERT INTO kept/);
    const lost = expect(insert(client, 1)).rejects.toThrow();
    const held = await reached;
    expect(await kept()).toEqual([{ n: 1 }]);
    held.cut();
    await lost;
  });

  it.each(['before', 'after'] as const)(
    'goes on when it is released %s a statement, and with what waited',
    async (moment) => {
      const [proxy, client] = await throughPostgres();
      const reached = proxy.hold(moment, /INSERT INTO kept/);
      const both = Promise.all([insert(client, 1), insert(client, 2)]);
      (await reached).release();
      await both;
      expect(await kept()).toEqual([{ n: 1 }, { n: 2 }]);
    },
  );
});

describe('a connection to Redis', () => {
  it('stops before and after a command among others', async () => {
    const [proxy, client] = await throughRedis();
    const before = proxy.hold('before', /^set second/i);
    const answers = ['first', 'second', 'third'].map((key) => client.set(key, '1'));
    const held = await before;
    const direct = new Redis(stack.redisUrl);
    cleanUp.push(() => direct.disconnect());
    expect(await direct.keys('*')).toEqual(['first']);
    const after = proxy.hold('after', /^set fourth/i);
    held.release();
    await Promise.all(answers);
    const lost = expect(client.set('fourth', '1')).rejects.toThrow();
    const last = await after;
    expect((await direct.keys('*')).sort()).toEqual(['first', 'fourth', 'second', 'third']);
    last.cut();
    await lost;
  });

  it('stands still when frozen, and stays dead when new ones work again', async () => {
    const [proxy, client] = await throughRedis();
    proxy.freeze();
    let answered = false;
    void client.ping().then(
      () => (answered = true),
      () => undefined,
    );
    proxy.thaw();
    const other = new Redis(proxy.through(stack.redisUrl));
    cleanUp.push(() => other.disconnect());
    await other.ping();
    expect(answered).toBe(false);
  });
});

it('breaks its connections when it is switched to another server', async () => {
  const [proxy, client] = await throughPostgres();
  const broken = once(client, 'error');
  proxy.switchTo(portOf(stack.ownerUrl));
  await broken;
});

it('spreads new connections over its servers, and passes over one that is gone', async () => {
  const replies = async (text: string) => {
    // One that no other server is given once this one is gone.
    const server = createServer((_, response) => response.end(text)).listen(await freePort(), '127.0.0.1');
    await once(server, 'listening');
    return server;
  };
  const [one, other] = [await replies('one'), await replies('other')];
  cleanUp.push(
    () => void one.close(),
    () => void other.close(),
  );
  const ports = [one, other].map((server) => (server.address() as AddressInfo).port);
  const proxy = await HoldingProxy.start(ports, http);
  cleanUp.push(() => proxy.stop());
  const ask = async () => (await fetch(`http://127.0.0.1:${proxy.port}`, { headers: { connection: 'close' } })).text();
  expect([await ask(), await ask(), await ask()]).toEqual(['one', 'other', 'one']);
  one.close();
  await once(one, 'close');
  expect([await ask(), await ask(), await ask()]).toEqual(['other', 'other', 'other']);
});
