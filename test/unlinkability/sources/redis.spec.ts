import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataFolder, type RedisServer, startRedis } from '../../../dev/services/index.js';
import { type Trace } from '../trace.js';
import { categoryValues, evidenceOf, orderedValues } from './evidence-of.js';
import { collectTraces } from './index.js';
import { commandsOf } from './redis-files.js';

/** Three users and their connections: a token each, and an address each. */
const people = [0, 1, 2].map((n) => ({
  user: `user-${n}`,
  pseudonym: createHash('sha256').update(`user ${n}`).digest('base64url').slice(0, 22),
  connection: `connection-${n}`,
  tokenHash: createHash('sha256').update(`token ${n}`).digest('hex'),
  address: `192.0.2.${n}`,
  pseudonyms: ['identity', 'network'].map((side) =>
    createHash('sha256').update(`${side} ${n}`).digest('base64url').slice(0, 22),
  ),
}));
/** Users come in this order, and connect in the other. */
const order = [2, 0, 1];
const keyExpiry = Date.UTC(2027, 0, 1);

let server: RedisServer;
let redis: Redis;
let dataFolder: DataFolder;
let folder: string;
let traces: Trace[];
let startedAt: number;

const collect = () =>
  collectTraces(
    evidenceOf({
      redis: [{ name: 'redis', url: server.redisUrl, folder }],
      identifiers: {
        user: new Map(people.map(({ pseudonym, user }) => [pseudonym, user])),
        connection: new Map(people.map(({ tokenHash, connection }) => [tokenHash, connection])),
      },
      addressPseudonyms: new Map(
        people.flatMap(({ pseudonyms, address }) => pseudonyms.map((name) => [name, address])),
      ),
    }),
  );

beforeAll(async () => {
  // Of its own, because other spec files reuse a shared one with all its files.
  dataFolder = await DataFolder.ephemeral();
  server = await startRedis(dataFolder);
  redis = new Redis(server.redisUrl);
  const [, path = ''] = await redis.config('GET', 'dir');
  folder = path;
  startedAt = Date.now();
  await act();
  traces = await collect();
});

afterAll(async () => {
  redis.disconnect();
  await server.stop();
  dataFolder.release();
});

/** What the service writes: limits before each request, and a mark for each spent token. */
async function act(): Promise<void> {
  const limit = (keyPrefix: string) =>
    new RateLimiterRedis({ storeClient: redis, keyPrefix, points: 100, duration: 60 });
  const [byUser, byAddress, byNetworkAddress] = [
    limit('gk:limit:user'),
    limit('gk:limit:address'),
    limit('an:limit:address'),
  ];
  for (const n of order) {
    await byAddress.consume(people[n]?.pseudonyms[0] ?? '');
    await byUser.consume(people[n]?.pseudonym ?? '');
    // Redis counts in milliseconds.
    await setTimeout(3);
  }
  for (const n of order.toReversed()) {
    await byNetworkAddress.consume(people[n]?.pseudonyms[1] ?? '');
    await redis.call(
      'SET',
      `spent:${people[n]?.tokenHash}`,
      'print',
      'NX',
      'GET',
      'EXAT',
      String(keyExpiry / 1_000 + n),
    );
    await setTimeout(3);
  }
}

/** Entities by their values, smallest first. */
const sorted = (values: Record<string, readonly number[]>) =>
  Object.keys(values).toSorted((a, b) => (values[a]?.[0] ?? 0) - (values[b]?.[0] ?? 0));

describe('traceRedis', () => {
  it('gives when a key expires', () => {
    const expiry = orderedValues(traces, { kind: 'Redis key', source: 'redis: spent:* (expiry)', scale: 'time' });
    expect(expiry).toEqual(
      Object.fromEntries(people.map(({ connection }, n) => [connection, [keyExpiry + n * 1_000]])),
    );
    const limits = orderedValues(traces, { source: 'redis: gk:limit:user:* (expiry)', scale: 'time', of: 'user' });
    expect(sorted(limits)).toEqual(order.map((n) => `user-${n}`));
  });

  it('gives the order of commands in the append-only file', () => {
    const file = { kind: 'Redis file', source: 'redis: appendonlydir/appendonly.aof.1.incr.aof' } as const;
    const scale = `position in ${file.source}`;
    expect(sorted(orderedValues(traces, { ...file, scale, of: 'user' }))).toEqual(order.map((n) => `user-${n}`));
    expect(sorted(orderedValues(traces, { ...file, scale, of: 'connection' }))).toEqual(
      order.toReversed().map((n) => `connection-${n}`),
    );
  });

  it('gives the time of a redemption from the limit that was counted just before', () => {
    const source = 'redis: appendonlydir/appendonly.aof.1.incr.aof (line before)';
    const times = orderedValues(traces, { kind: 'Redis file', source, scale: 'time', of: 'connection' });
    expect(sorted(times)).toEqual(order.toReversed().map((n) => `connection-${n}`));
    for (const [ms = 0] of Object.values(times)) expect(ms - 60_000 - startedAt).toBeLessThan(10_000);
  });

  it('gives the address of users and connections, whichever hash stands for it', () => {
    const source = 'redis: appendonlydir/appendonly.aof.1.incr.aof (address)';
    const users = categoryValues(traces, { kind: 'Redis file', source, of: 'user' });
    const connections = categoryValues(traces, { kind: 'Redis file', source, of: 'connection' });
    for (const { user, connection, address } of people) {
      expect(new Set(users[user])).toEqual(new Set([address]));
      expect(new Set(connections[connection])).toEqual(new Set([address]));
    }
  });

  it('gives when a key was last used, which its own reading does not hide', async () => {
    await setTimeout(2_100);
    await redis.touch(`spent:${people[1]?.tokenHash}`);
    const found = await collect();
    const used = orderedValues(found, { kind: 'Redis key', source: 'redis: spent:* (last use)', scale: 'time' });
    const [first = 0, later = 0, other = 0] = people.map(({ connection }) => used[connection]?.[0]);
    expect(other).toBe(first);
    expect(later - first).toBeGreaterThanOrEqual(1_000);
  });

  it('finds new keys of any type, in any database, and new files', async () => {
    const other = redis.duplicate({ db: 3 });
    for (const [n, { pseudonym, tokenHash }] of people.entries()) {
      await other.zadd('recent', 1_800_000_000_000 + n, pseudonym);
      await other.hset(`by-day:${tokenHash}`, 'at', new Date(keyExpiry + n).toISOString());
    }
    other.disconnect();
    const lines = people.map(({ tokenHash }) => `seen ${tokenHash}`);
    writeFileSync(join(folder, 'new.file'), lines.join('\n'));
    const found = await collect();
    const days = orderedValues(found, { source: 'redis: by-day:* (value)', scale: 'time' });
    expect(days['connection-2']).toEqual([keyExpiry + 2]);
    expect(orderedValues(found, { source: 'redis: recent (value)', scale: 'time' })['user-1']).toContain(
      1_800_000_000_001,
    );
    expect(orderedValues(found, { source: 'redis: new.file' })).toEqual({
      'connection-0': [0],
      'connection-1': [1],
      'connection-2': [2],
    });
  });

  it('reads a snapshot', async () => {
    await redis.save();
    const found = await collect();
    const positions = orderedValues(found, {
      source: 'redis: dump.rdb',
      of: 'connection',
      scale: 'position in redis: dump.rdb',
    });
    expect(Object.keys(positions)).toHaveLength(3);
  });
});

describe('commandsOf', () => {
  it('reads commands, time stamps and binary values, up to an end that is cut off', () => {
    const file =
      '*1\r\n$5\r\nMULTI\r\n#TS:1800000000\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\n\r\n*1\r\n*2\r\n$3\r\nDEL\r\n$9\r\nhal';
    expect(commandsOf(Buffer.from(file, 'latin1'))).toEqual(['MULTI', '#TS:1800000000', 'SET a \r\n*1', 'DEL hal']);
  });
});
