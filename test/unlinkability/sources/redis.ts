import { type ChainableCommander, Redis } from 'ioredis';
import { type SeizedRedis } from '../evidence.js';
import { type IdentifierIndex } from './identifiers.js';
import { readRedisFiles } from './redis-files.js';
import { traceLines } from './text.js';
import { timesIn } from './times.js';
import { type TraceCollection } from './trace-collection.js';

const batch = 1_000;

/** Every key of every database of a Redis, and every file that it wrote. */
export async function traceRedis(
  seized: SeizedRedis,
  index: IdentifierIndex,
  addresses: IdentifierIndex,
  into: TraceCollection,
): Promise<void> {
  await traceKeys(seized, index, into);
  for (const { name, lines } of readRedisFiles(seized.folder)) {
    traceLines({ kind: 'Redis file', source: `${seized.name}: ${name}`, lines }, index, addresses, into);
  }
}

async function traceKeys({ name, url }: SeizedRedis, index: IdentifierIndex, into: TraceCollection): Promise<void> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  redis.on('error', () => undefined);
  await redis.connect();
  try {
    for (const [, database = '0'] of (await redis.info('keyspace')).matchAll(/^db(\d+):/gm)) {
      await redis.select(Number(database));
      for await (const keys of redis.scanStream({ count: batch }) as AsyncIterable<string[]>) {
        for (const key of await readKeys(redis, keys)) traceKey(name, key, index, into);
      }
    }
  } finally {
    redis.disconnect();
  }
}

interface Key {
  readonly key: string;
  readonly value: string;
  /** When it was last read or written, to the second. */
  readonly usedAt: number | undefined;
  readonly expiresAt: number | undefined;
}

/** First everything that Redis keeps about a key, because to read its value is to use it. */
async function readKeys(redis: Redis, keys: readonly string[]): Promise<Key[]> {
  const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
  const now = seconds * 1_000 + micros / 1_000;
  const idle = await all(redis, keys, (pipeline, key) => pipeline.object('IDLETIME', key));
  const expiry = await all(redis, keys, (pipeline, key) => pipeline.pexpiretime(key));
  const types = await all(redis, keys, (pipeline, key) => pipeline.type(key));
  const values = await all(redis, keys, (pipeline, key, n) => readValue(pipeline, key, types[n]));
  return keys.map((key, n) => {
    const [idleSeconds, expiresAt] = [idle[n], expiry[n]];
    return {
      key,
      value: JSON.stringify(values[n] ?? null),
      usedAt: typeof idleSeconds === 'number' ? now - idleSeconds * 1_000 : undefined,
      expiresAt: typeof expiresAt === 'number' && expiresAt > 0 ? expiresAt : undefined,
    };
  });
}

/** @returns one result for each key; an error, as of a key that has just expired, counts as no result */
async function all(
  redis: Redis,
  keys: readonly string[],
  add: (pipeline: ChainableCommander, key: string, index: number) => ChainableCommander,
): Promise<unknown[]> {
  const pipeline = redis.pipeline();
  for (const [index, key] of keys.entries()) add(pipeline, key, index);
  const results = (await pipeline.exec()) ?? [];
  return results.map(([error, result]) => (error === null ? result : undefined));
}

function readValue(pipeline: ChainableCommander, key: string, type: unknown): ChainableCommander {
  switch (type) {
    case 'hash':
      return pipeline.hgetall(key);
    case 'list':
      return pipeline.lrange(key, 0, -1);
    case 'set':
      return pipeline.smembers(key);
    case 'zset':
      return pipeline.zrange(key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return pipeline.xrange(key, '-', '+');
    default:
      return pipeline.get(key);
  }
}

function traceKey(
  redis: string,
  { key, value, usedAt, expiresAt }: Key,
  index: IdentifierIndex,
  into: TraceCollection,
): void {
  const entities = index.find(`${key} ${value}`);
  if (entities.size === 0) return;
  const place = (what: string) => ({ kind: 'Redis key' as const, source: `${redis}: ${patternOf(key)} (${what})` });
  if (usedAt !== undefined) into.addTime(place('last use'), entities, usedAt);
  if (expiresAt !== undefined) into.addTime(place('expiry'), entities, expiresAt);
  for (const ms of timesIn(`${key} ${value}`)) into.addTime(place('value'), entities, ms);
  if (value.length <= 64) into.addCandidate(place('value'), entities, value);
}

/** Keys that differ only in a long word, such as a hash, belong together: `spent:*`. */
const patternOf = (key: string) => key.replace(/[\w+/=@.-]{16,}|\d{4,}/g, '*');
