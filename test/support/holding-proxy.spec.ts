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

async function connectToPostgres(): Promise<[HoldingProxy, pg.Client]> {
  const proxy = await HoldingProxy.start([portOf(stack.ownerUrl)], postgres);
  const client = new pg.Client(proxy.through(stack.ownerUrl));
  client.on('error', () => undefined);
  await client.connect();
  cleanUp.push(
    () => client.end().catch(() => undefined),
    () => proxy.stop(),
  );
  await client.query('CREATE TABLE IF NOT EXISTS items (n int)');
  await client.query('TRUNCATE items');
  return [proxy, client];
}

async function connectToRedis(): Promise<[HoldingProxy, Redis]> {
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

/** The first call sends a Parse message. Later calls send only the name of the prepared statement. */
const insert = (client: pg.Client, n: number) =>
  client.query({ name: 'insert-item', text: 'INSERT INTO items VALUES ($1)', values: [n] });
const items = () => query(stack.ownerUrl, 'SELECT n FROM items ORDER BY n');

describe('HoldingProxy in front of PostgreSQL', () => {
  it('holds a connection before a statement reaches PostgreSQL', async () => {
    const [proxy, client] = await connectToPostgres();
    await insert(client, 1);
    const reached = proxy.hold('before', /INSERT INTO items/);
    const interrupted = expect(insert(client, 2)).rejects.toThrow();
    (await reached).cut();
    await interrupted;
    expect(await items()).toEqual([{ n: 1 }]);
  });

  it('holds a connection after PostgreSQL has executed a statement, before the client gets the answer', async () => {
    const [proxy, client] = await connectToPostgres();
    const reached = proxy.hold('after', /INSERT INTO items/);
    const interrupted = expect(insert(client, 1)).rejects.toThrow();
    const held = await reached;
    expect(await items()).toEqual([{ n: 1 }]);
    held.cut();
    await interrupted;
  });

  it.each(['before', 'after'] as const)(
    'forwards the queued statements when a connection held %s a statement is released',
    async (moment) => {
      const [proxy, client] = await connectToPostgres();
      const reached = proxy.hold(moment, /INSERT INTO items/);
      const both = Promise.all([insert(client, 1), insert(client, 2)]);
      (await reached).release();
      await both;
      expect(await items()).toEqual([{ n: 1 }, { n: 2 }]);
    },
  );
});

describe('HoldingProxy in front of Redis', () => {
  it('holds a connection before and after one of several pipelined commands', async () => {
    const [proxy, client] = await connectToRedis();
    const before = proxy.hold('before', /^set second/i);
    const answers = ['first', 'second', 'third'].map((key) => client.set(key, '1'));
    const held = await before;
    const direct = new Redis(stack.redisUrl);
    cleanUp.push(() => direct.disconnect());
    expect(await direct.keys('*')).toEqual(['first']);
    const after = proxy.hold('after', /^set fourth/i);
    held.release();
    await Promise.all(answers);
    const interrupted = expect(client.set('fourth', '1')).rejects.toThrow();
    const last = await after;
    expect((await direct.keys('*')).sort()).toEqual(['first', 'fourth', 'second', 'third']);
    last.cut();
    await interrupted;
  });

  it('forwards only new connections after freeze and thaw', async () => {
    const [proxy, client] = await connectToRedis();
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

describe('HoldingProxy', () => {
  it('closes existing connections when it switches to another server', async () => {
    const [proxy, client] = await connectToPostgres();
    const broken = once(client, 'error');
    proxy.switchTo(portOf(stack.ownerUrl));
    await broken;
  });

  it('alternates between its servers, and skips one that refuses connections', async () => {
    const startServer = async (text: string) => {
      // A reserved port, so that no other server can get it after this one has closed.
      const server = createServer((_, response) => response.end(text)).listen(await freePort(), '127.0.0.1');
      await once(server, 'listening');
      return server;
    };
    const [one, other] = [await startServer('one'), await startServer('other')];
    cleanUp.push(
      () => void one.close(),
      () => void other.close(),
    );
    const ports = [one, other].map((server) => (server.address() as AddressInfo).port);
    const proxy = await HoldingProxy.start(ports, http);
    cleanUp.push(() => proxy.stop());
    const request = async () =>
      (await fetch(`http://127.0.0.1:${proxy.port}`, { headers: { connection: 'close' } })).text();
    expect([await request(), await request(), await request()]).toEqual(['one', 'other', 'one']);
    one.close();
    await once(one, 'close');
    expect([await request(), await request(), await request()]).toEqual(['other', 'other', 'other']);
  });
});
