import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { query } from '../../support/stack.js';
import { type Evidence, type Side } from '../evidence.js';
import { cohorts } from './population.js';
import { dayMs, hourMs } from './service-clock.js';
import { startWorld, type World } from './world.js';

describe('World of two stacks with planted leaks', () => {
  let world: World;
  let evidence: Evidence;

  beforeAll(async () => {
    world = await startWorld({ shape: 'split', seed: 1, plants: true, scale: 0.05 });
    await world.live();
    evidence = await world.seize();
  });
  afterAll(() => world.stop());

  const sql = async <Row extends Record<string, unknown>>(side: Side, text: string): Promise<Row[]> => {
    const cluster = evidence.clusters.find(({ sides }) => sides.includes(side));
    return query<Row>(cluster?.ownerUrl ?? '', text);
  };
  const connections = () => world.devices.flatMap((device) => device.connections);
  /** What a side's identifiers name, for each of these texts. */
  const namesOf = (kind: 'user' | 'connection', texts: readonly string[]) =>
    new Set(texts.map((text) => evidence.identifiers[kind].get(text)));
  const processOf = (role: string) => evidence.processes.find(({ name }) => name === role);

  it('asks about connections of every cohort, with the right answer among the candidates', () => {
    const problems = world.problems();
    expect(problems.map(({ name }) => name).sort()).toEqual([...cohorts].sort());
    for (const { truth, candidates, classes } of problems) {
      expect(truth.size).toBeGreaterThan(0);
      for (const answer of truth.values()) {
        expect(candidates).toContain(answer);
        expect(classes.has(answer)).toBe(true);
      }
    }
  });

  it('knows every connection, user and fetch that is stored', async () => {
    const stored = await sql<{ id: string }>('network', 'SELECT id::text FROM network."Connection"');
    expect(stored.length).toBeGreaterThan(20);
    expect(
      [
        ...namesOf(
          'connection',
          stored.map(({ id }) => id),
        ),
      ].sort(),
    ).toEqual(stored.map(({ id }) => id).sort());
    const users = await sql<{ id: string }>('identity', 'SELECT id::text FROM identity."User"');
    const names = world.devices.map(({ user }) => user.name);
    expect(
      [
        ...namesOf(
          'user',
          users.map(({ id }) => id),
        ),
      ].sort(),
    ).toEqual(names.sort());
    const [fetches] = await sql<{ users: number }>(
      'identity',
      'SELECT count(DISTINCT user_id)::int AS users FROM identity."TokenIssuance"',
    );
    // Rows go with their key, and some wallets fetch after the evidence is seized.
    expect(fetches?.users).toBeGreaterThan(0.7 * world.devices.length);
  });

  it('runs the maintenance jobs of every hour, on the clock that the clients have', async () => {
    const now = world.clock.now().getTime();
    for (const side of ['identity', 'network'] as const) {
      const jobs = await sql<{ name: string; at: Date }>(
        side,
        `SELECT name, last_at AS at FROM ${side}."MaintenanceRun" ORDER BY last_at`,
      );
      expect(jobs.length).toBeGreaterThan(4);
      for (const { at } of jobs) {
        expect(at.getTime()).toBeGreaterThan(now - 1.2 * hourMs);
        // PostgreSQL rounds to the second.
        expect(at.getTime()).toBeLessThan(now + 1_000);
      }
    }
    const days = await sql<{ day: string }>('identity', 'SELECT epoch::text AS day FROM identity."DailyIssuance"');
    expect(new Set(days.map(({ day }) => day)).size).toBe(3);
  });

  it('begins connections before midnight of the last day, at different times', () => {
    const { start } = world.clock;
    const times = connections().map(({ begunAt }) => begunAt);
    expect(new Set(times).size).toBe(times.length);
    expect(times.every(Number.isInteger)).toBe(true);
    expect(Math.min(...times)).toBeGreaterThan(start);
    expect(Math.max(...times)).toBeLessThan(start + 4 * dayMs - hourMs);
  });

  it("translates PostgreSQL's times to the service's", async () => {
    const rows = await sql<{ id: string; at: Date }>(
      'network',
      'SELECT id::text, planted_at AS at FROM network."Connection"',
    );
    for (const { id, at } of rows) {
      const { begunAt = 0 } = connections().find((connection) => connection.id === id) ?? {};
      // The planted time is that of the request, and other acts may have moved the clock before its response.
      expect(Math.abs(evidence.toServiceTime(at.getTime()) - begunAt)).toBeLessThan(5 * 60_000);
    }
    expect(evidence.toServiceTime(world.clock.start + 1)).toBe(world.clock.start + 1);
  });

  it('leaves tombstones only of tokens whose key has not expired long ago', async () => {
    const [row] = await sql<{ first: Date }>(
      'network',
      `SELECT min(not_before) AS first FROM network."Connection" JOIN network."VerifierKey" USING (key_id)`,
    );
    expect(row?.first.getTime()).toBe(world.clock.start + 2 * dayMs);
  });

  it('leaves no key in Redis that would have expired', async () => {
    for (const { url } of evidence.redis) {
      const redis = new Redis(url);
      const times = await Promise.all((await redis.keys('*')).map((key) => redis.pexpiretime(key)));
      expect(times.filter((time) => time < world.clock.now().getTime())).toEqual([]);
      redis.disconnect();
    }
  });

  it('keeps the logs of all servers, and counts of limits by user and by address', async () => {
    expect(evidence.logs.map(({ name }) => name).sort()).toEqual([
      'postgres.log identity',
      'postgres.log network',
      'redis.log identity',
      'redis.log network',
      'service anonymizer',
      'service gatekeeper',
    ]);
    const [written] = evidence.redis.map(({ folder }) => folder);
    expect(written).toContain('/redis');
    expect(evidence.addressPseudonyms.size).toBe(world.devices.length * 2 * 4);
  });

  it.each([
    ['gatekeeper', 'user'],
    ['anonymizer', 'connection'],
  ] as const)('plants lines, labels and a cache in the %s', (role, kind) => {
    const log = evidence.logs.find(({ name }) => name === `service ${role}`)?.text ?? '';
    const logged = [...log.matchAll(/"msg":"planted","id":"([^"]+)"/g)].map(([, id = '']) => id);
    expect(namesOf(kind, logged)).not.toContain(undefined);
    const labels = [
      ...(processOf(role)?.metrics.at(-1)?.text ?? '').matchAll(/^planted_last_seen_seconds\{id="([^"]+)"/gm),
    ];
    expect(new Set(labels.map(([, id]) => id))).toEqual(new Set(logged));
    const heap = readFileSync(processOf(role)?.heapFile ?? '', 'utf8');
    expect(heap).toContain('plantedCache');
    for (const id of logged) expect(heap).toContain(id);
  });

  it('plants the order of acts and salted addresses', async () => {
    const orders = {
      identity: await sql<{ id: string }>('identity', 'SELECT user_id::text AS id FROM identity.planted_order'),
      network: await sql<{ id: string }>('network', 'SELECT id::text FROM network.planted_order'),
    };
    expect(
      namesOf(
        'user',
        orders.identity.map(({ id }) => id),
      ).size,
    ).toBe(world.devices.length);
    expect(new Set(orders.network.map(({ id }) => id))).toEqual(new Set(connections().map(({ id }) => id)));
    const hashes = await sql<{ hash: string }>('identity', 'SELECT hash FROM identity.planted_address');
    const [other] = await sql<{ hash: string }>('network', 'SELECT hash FROM network.planted_address');
    expect(hashes).toHaveLength(world.devices.length);
    expect(hashes.map(({ hash }) => hash)).toContain(other?.hash);
  });
});
