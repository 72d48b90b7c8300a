import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NodeLoad, loadOf, NodePool, type RandomIndex } from './load-balancing.js';

type Node = NodeLoad & { live: number };

const node = (id: string, more: Partial<Node> = {}): Node => ({
  id,
  capacity: 1_000,
  currentLoad: 0,
  live: 0,
  ...more,
});

function poolOf(nodes: readonly Node[], random?: RandomIndex): NodePool<Node> {
  const pool = new NodePool<Node>(random);
  for (const each of nodes) pool.add(each);
  return pool;
}

const many = (count: number) => Array.from({ length: count }, (_, index) => node(`n${index}`));

/** How often each node is picked first in this many picks. */
function firsts(pool: NodePool<Node>, picks: number, exclude?: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (let round = 0; round < picks; round += 1) {
    const [first] = pool.pick(exclude);
    if (first !== undefined) counts.set(first.id, (counts.get(first.id) ?? 0) + 1);
  }
  return counts;
}

describe('loadOf', () => {
  it('is the higher of the machine’s load and the share of slots in use', () => {
    expect(loadOf(node('a', { currentLoad: 45, live: 100 }))).toBe(0.45);
    expect(loadOf(node('a', { currentLoad: 45, live: 900 }))).toBe(0.9);
  });
});

describe('NodePool.pick', () => {
  it('returns two different nodes, the less loaded one first, and never the excluded one', () => {
    const fleets = fc.array(
      fc.record({ load: fc.integer({ min: 0, max: 100 }), live: fc.integer({ min: 0, max: 999 }) }),
      {
        maxLength: 12,
      },
    );
    fc.assert(
      fc.property(fleets, fc.nat(14), (fleet, excluded) => {
        const nodes = fleet.map(({ load, live }, index) => node(`n${index}`, { currentLoad: load, live }));
        const exclude = `n${excluded}`;
        const picked = poolOf(nodes).pick(exclude);
        const eligible = nodes.filter(({ id }) => id !== exclude);
        expect(picked).toHaveLength(Math.min(2, eligible.length));
        expect(new Set(picked).size).toBe(picked.length);
        for (const each of picked) expect(eligible).toContain(each);
        const [first, second] = picked;
        if (first !== undefined && second !== undefined) expect(loadOf(first)).toBeLessThanOrEqual(loadOf(second));
      }),
    );
  });

  it('picks equally loaded nodes equally often', () => {
    const picks = 100_000;
    for (const exclude of [undefined, 'n0', 'n3', 'n9']) {
      const counts = firsts(poolOf(many(10)), picks, exclude);
      const share = picks / (exclude === undefined ? 10 : 9);
      // Six standard deviations: a fair pick fails this once in 10^8 runs.
      const tolerance = 6 * Math.sqrt(share * (1 - share / picks));
      expect(counts.has(exclude ?? 'none')).toBe(false);
      for (const count of counts.values()) expect(Math.abs(count - share)).toBeLessThan(tolerance);
      expect(counts.size).toBe(exclude === undefined ? 10 : 9);
    }
  });

  it('picks every pair equally often', () => {
    const [pool, picks, pairs] = [poolOf(many(5)), 100_000, new Map<string, number>()];
    for (let round = 0; round < picks; round += 1) {
      const pair = pool
        .pick()
        .map(({ id }) => id)
        .sort()
        .join();
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
    }
    expect(pairs.size).toBe(10);
    for (const count of pairs.values()) expect(Math.abs(count - 10_000)).toBeLessThan(6 * Math.sqrt(9_000));
  });

  it('keeps every node within 2 % of the mean for 10⁵ connections on 100 nodes', () => {
    const nodes = many(100).map((each) => ({ ...each, capacity: 60_000 }));
    const pool = poolOf(nodes);
    for (let connection = 0; connection < 100_000; connection += 1) {
      const [first] = pool.pick();
      if (first !== undefined) first.live += 1;
    }
    // With single random picks, some nodes would be about 10 % above the mean.
    expect(Math.max(...nodes.map(({ live }) => live))).toBeLessThanOrEqual(1_020);
  });

  it('uses two random numbers in a fleet of ten thousand', () => {
    let calls = 0;
    const pool = poolOf(many(10_000), (below) => {
      calls += 1;
      return below - 1;
    });
    expect(pool.pick('n9999').map(({ id }) => id)).toEqual(['n9998', 'n9997']);
    expect(calls).toBe(2);
  });
});

describe('NodePool.remove', () => {
  it('prevents that node from being picked, and no other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.nat(9), { maxLength: 10 }), (size, removals) => {
        const pool = poolOf(many(size));
        for (const index of removals) pool.remove(`n${index}`);
        const left = many(size).filter((_, index) => !removals.includes(index));
        expect(pool.size).toBe(left.length);
        expect(new Set(firsts(pool, 400).keys())).toEqual(new Set(left.map(({ id }) => id)));
      }),
      { numRuns: 50 },
    );
  });
});
