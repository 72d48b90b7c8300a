import { describe, expect, it } from 'vitest';
import { type Problem } from '../trace.js';
import { boundOf, upperBound99 } from './bounds.js';
import { judge } from './index.js';
import { ordered, SyntheticWorld } from './synthetic.js';

describe('upperBound99', () => {
  it.each([
    // 1 − 0.01^(1/350): no hits have a closed form.
    [0, 350, 1 - 0.01 ** (1 / 350)],
    [0, 350, 0.013071],
    [0, 1, 0.99],
    // The 0.99 quantile of the beta distribution with (hits + 1, asked − hits), by scipy.stats.beta.ppf.
    [5, 100, 0.1258517],
    [1, 10, 0.5043527],
    [17, 350, 0.0822693],
    [90, 100, 0.9576479],
    [7, 7, 1],
    [0, 0, 1],
  ])('of %i hits of %i is %d', (hits, asked, expected) => {
    expect(upperBound99(hits, asked)).toBeCloseTo(expected, 6);
  });
});

describe('boundOf', () => {
  it('judges the best attack of each half by its hits on the other half', () => {
    const attacks = [
      { attack: 'lucky on the first half', hits: [9, 1] },
      { attack: 'lucky on the second half', hits: [2, 8] },
      { attack: 'neither', hits: [5, 5] },
    ] as const;
    expect(boundOf(attacks, 100, 1)).toEqual({
      asked: 100,
      hits: 3,
      upper99: upperBound99(3, 100),
      chance: 1,
      attacks: ['lucky on the first half', 'lucky on the second half'],
    });
  });

  it('names no attack where none was possible', () => {
    expect(boundOf([], 10, 1)).toMatchObject({ hits: 0, attacks: [] });
  });
});

describe('the bounds of a judgement', () => {
  const world = new SyntheticWorld(1, 100, 3);
  const times = world.ofUsers(() => world.uniform());
  const linked = ordered(
    'connection',
    'linked',
    world.ofConnections(times, (time) => time),
  );
  const noise = Array.from({ length: 20 }, (_, index) =>
    ordered(
      'connection',
      `noise ${index}`,
      world.ofConnections(times, () => world.uniform()),
    ),
  );
  const left = ordered('user', 'u', times);
  const part = (name: string, from: number, to: number) => {
    const users = new Set(world.users.slice(from, to));
    return world.problem({ name, truth: new Map([...world.truth].filter(([, user]) => users.has(user))) });
  };

  it('count one connection of each user', () => {
    const { bounds } = judge([left, linked, ...noise], [world.problem()], { seed: 1, permutations: 9 });
    const expected = { asked: 100, hits: 100, upper99: 1, chance: 1 };
    expect(bounds.byProblem.get('synthetic')).toMatchObject({ ...expected, chance: expect.closeTo(1, 9) as number });
    expect(bounds.pooled.hits).toBe(100);
    expect(bounds.pooled.attacks.every((attack) => attack.startsWith('u × linked: '))).toBe(true);
  });

  it('do not take the best of many attacks that know nothing for an attack that knows something', () => {
    const small = new SyntheticWorld(2, 100);
    const random = () => small.uniform();
    const traces = Array.from({ length: 10 }, (_, index) => [
      ordered('user', `noise ${index}`, small.ofUsers(random)),
      ordered('connection', `noise ${index}`, small.ofConnections(new Map(), random)),
    ]).flat();
    const { findings, bounds } = judge(traces, [small.problem()], { seed: 1, permutations: 9 });
    expect(Math.max(...findings.map(({ hits }) => hits))).toBeGreaterThan(4);
    expect(bounds.pooled.hits).toBeLessThan(4);
  });

  it('pool problems whose answers are users, each user once', () => {
    const older = new Map(
      [...world.truth.keys()].slice(0, 40).map((connection) => [connection, `before ${connection}`]),
    );
    const renewals: Problem = {
      name: 'renewals',
      left: 'connection',
      truth: older,
      candidates: [...older.values()],
      classes: new Map([...older.values()].map((connection) => [connection, 'all'])),
    };
    const problems = [part('first', 0, 60), part('second', 40, 100), renewals];
    const { bounds } = judge([left, linked], problems, { seed: 1, permutations: 9 });
    expect([...bounds.byProblem].map(([name, { asked }]) => [name, asked])).toEqual([
      ['first', 60],
      ['second', 60],
      ['renewals', 40],
    ]);
    expect(bounds.pooled).toMatchObject({ asked: 100, hits: 100 });
  });
});
