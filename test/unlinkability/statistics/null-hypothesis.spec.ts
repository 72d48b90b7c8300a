import { describe, expect, it } from 'vitest';
import { type Trace } from '../trace.js';
import { judge } from './index.js';
import { category, ordered, SyntheticWorld } from './synthetic.js';

const day = 86_400_000;

/** Two ordered and two categorical traces on each side, of which no one tells anything. */
function noise(world: SyntheticWorld, types: readonly Trace['type'][]): Trace[] {
  const time = () => world.random.integer(day);
  const level = () => `level ${world.random.integer(4)}`;
  return ['one', 'two']
    .flatMap((source): Trace[] => [
      ordered('user', source, world.ofUsers(time)),
      ordered('connection', source, world.ofConnections(new Map(), time)),
      category('user', source, world.ofUsers(level)),
      category('connection', source, world.ofConnections(new Map(), level)),
    ])
    .filter(({ type }) => types.includes(type));
}

describe('the null hypothesis', () => {
  /*
   * Rejecting at 0.05 must happen in one run of twenty. The limits are three standard deviations above. Categories alone are a
   * case of their own: adding up both directions of a learnt matcher, instead of counting two tests, rejects in one run of ten.
   */
  it.each([
    { types: ['ordered', 'category'] as const, each: 2, runs: 150, expected: 7.5, most: 15 },
    { types: ['category'] as const, each: 1, runs: 500, expected: 25, most: 39 },
  ])('is rejected no more often than the level says, with $types', ({ types, each, runs, expected, most }) => {
    const smallest = Array.from({ length: runs }, (_, seed) => {
      const world = new SyntheticWorld(seed, 24, each);
      return judge(noise(world, types), [world.problem()], { seed, permutations: 199 }).findings[0]!.p;
    });
    const rejected = smallest.filter((p) => p <= 0.05).length;
    expect(rejected).toBeLessThanOrEqual(most);
    // A test that never rejects would be no test.
    expect(rejected).toBeGreaterThan(expected / 5);
  });

  it('covers all problems of a run together', () => {
    const runs = Array.from({ length: 80 }, (_, seed) => {
      const world = new SyntheticWorld(seed, 72);
      const problems = ['a', 'b', 'c', 'd', 'e', 'f'].map((name, index) => {
        const users = new Set(world.users.slice(index * 12, index * 12 + 12));
        return world.problem({ name, truth: new Map([...world.truth].filter(([, user]) => users.has(user))) });
      });
      return judge(noise(world, ['ordered']), problems, { seed, permutations: 199 }).findings[0]!.p;
    });
    const rejected = runs.filter((p) => p <= 0.05).length;
    expect(rejected).toBeLessThanOrEqual(9);
    expect(rejected).toBeGreaterThan(0);
  });

  it('allows values that tell no more than the class', () => {
    const world = new SyntheticWorld(4, 60);
    const days = new Map(world.users.map((user, index) => [user, index % 3]));
    const within = (number: number) => (number + world.uniform()) * day;
    const left = ordered(
      'user',
      'signed up',
      world.ofUsers((user) => within(days.get(user)!)),
    );
    const right = ordered('connection', 'created', world.ofConnections(days, within));
    const classes = new Map([...days].map(([user, number]) => [user, `day ${number}`]));

    expect(judge([left, right], [world.problem({ classes })], { seed: 1 }).significant).toEqual([]);
    // With one class for all, the day is a link.
    expect(judge([left, right], [world.problem()], { seed: 1 }).significant).not.toEqual([]);
  });

  it('still shows a link within a class', () => {
    const world = new SyntheticWorld(5, 60);
    const days = new Map(world.users.map((user, index) => [user, `day ${index % 3}`]));
    const times = world.ofUsers(() => world.uniform() * day);
    const right = ordered(
      'connection',
      'created',
      world.ofConnections(times, (time) => time + 100),
    );
    const { findings } = judge([ordered('user', 'u', times), right], [world.problem({ classes: days })], { seed: 1 });
    expect(findings[0]).toMatchObject({ asked: 60, p: 1 / 2_000 });
    expect(findings[0]!.hits).toBeGreaterThan(55);
  });
});

describe('ties', () => {
  const world = new SyntheticWorld(6, 300);
  // All but one user of each side share a value, and both maps list users in the same order.
  const same = (value: number) => (_: unknown, index: number) => (index === 0 ? 0 : value);
  const left = ordered('user', 'day', new Map(world.users.map((user, index) => [user, same(day)(user, index)])));
  const connections = [...world.truth.keys()];
  const right = ordered('connection', 'day', new Map(connections.map((id, index) => [id, same(day)(id, index)])));

  it('are broken by chance, though traces list users and connections in the same order', () => {
    const { findings } = judge([left, right], [world.problem()], { seed: 1 });
    expect(findings).toHaveLength(6);
    for (const { matcher, hits } of findings) expect(hits, matcher).toBeLessThanOrEqual(6);
  });

  it('do not favour the first candidate', () => {
    // Half of the connections belong to the first user with the value that nearly all have.
    const truth = new Map(
      [...world.truth].map(([connection, user], index) => [connection, index > 0 && index < 150 ? 'user-1' : user]),
    );
    const { findings } = judge([left, right], [world.problem({ truth })], { seed: 1 });
    const nearest = findings.find(({ matcher }) => matcher === 'nearest')!;
    expect(nearest.hits).toBeLessThan(6);
  });

  it('give half for a pair whose candidates or whose connection have no value', () => {
    const some = <Value>(values: ReadonlyMap<string, Value>) =>
      new Map([...values].filter((_, index) => index % 2 === 0));
    const times = world.ofUsers(() => world.uniform() * day);
    const created = world.ofConnections(times, (time) => time);
    const found = judge([ordered('user', 'u', times), ordered('connection', 'c', some(created))], [world.problem()], {
      seed: 1,
    });
    const nearest = found.findings.find(({ matcher }) => matcher === 'nearest')!;
    // Half of the connections are linked for certain, and the others are guessed.
    expect(nearest.auc).toBeCloseTo(0.75, 3);
    expect(nearest.hits).toBeGreaterThanOrEqual(150);
    expect(nearest.hits).toBeLessThan(156);
  });
});

describe('the connections of one user', () => {
  it('stay together in a permuted truth, so that chance does not count once for each', () => {
    const significantRuns = { users: 0, connections: 0 };
    for (let seed = 0; seed < 12; seed++) {
      const world = new SyntheticWorld(seed, 20, 12);
      // All connections of one user have one value, which has nothing to do with the user's.
      const times = world.ofUsers(() => world.uniform() * day);
      const habits = world.ofUsers(() => world.uniform() * day);
      const right = ordered(
        'connection',
        'c',
        world.ofConnections(habits, (habit) => habit + world.uniform()),
      );
      const permuteUsers = judge([ordered('user', 'u', times), right], [world.problem()], { seed });
      if (permuteUsers.significant.length > 0) significantRuns.users++;

      // The same data, with a user of its own for each connection: the connections change places one by one.
      const alone = new Map([...world.truth.keys()].map((connection) => [connection, `owner of ${connection}`]));
      const owners = [...alone.values()];
      const own = new Map([...world.truth].map(([connection, user]) => [alone.get(connection)!, times.get(user)!]));
      const classes = new Map(owners.map((owner) => [owner, 'all']));
      const single = world.problem({ truth: alone, candidates: owners, classes });
      const permuteConnections = judge([ordered('user', 'u', own), right], [single], { seed });
      if (permuteConnections.significant.length > 0) significantRuns.connections++;
    }
    expect(significantRuns.users).toBe(0);
    expect(significantRuns.connections).toBeGreaterThan(3);
  });
});

describe('the power to find a link', () => {
  /** A link that is clear, though far from certain: a share of the connections have their user's time. */
  function link(world: SyntheticWorld, share: number): Trace[] {
    const times = world.ofUsers(() => world.uniform() * day);
    const near = world.ofConnections(times, (time) => (world.uniform() < share ? time : world.uniform() * day));
    return [ordered('user', 'link', times), ordered('connection', 'link', near)];
  }

  /** The p-value of the best matcher on the link, with other traces beside it. */
  function pOfLink(world: SyntheticWorld, share: number, others: readonly Trace[]): number {
    const { findings } = judge([...link(world, share), ...others], [world.problem()], { seed: 1 });
    return findings.find(({ left, right }) => left.source === 'link' && right.source === 'link')!.p;
  }

  // If it is the same pair by chance, its rank is seven standard deviations above the mean. That must not hide links.
  it('does not suffer from traces that single out one user and one connection', () => {
    const world = new SyntheticWorld(8, 100);
    const connections = [...world.truth.keys()];
    const singledOut = Array.from({ length: 6 }, (_, index) => {
      const [user, connection] = [world.users[index * 7], connections[index * 11 + 3]];
      const value = (one: string) => `${one === user || one === connection ? 'odd' : 'usual'} ${index}`;
      return [
        category('user', `odd ${index}`, world.ofUsers(value)),
        category('connection', `odd ${index}`, new Map(connections.map((one) => [one, value(one)]))),
      ];
    }).flat();
    expect(pOfLink(world, 0.06, singledOut)).toBe(1 / 2_000);
  });

  // They hit or miss together. That must not hide links either.
  it('does not suffer from traces that all connections of a user share', () => {
    const world = new SyntheticWorld(9, 20, 12);
    const habits = world.ofUsers(() => world.uniform() * day);
    const shared = [
      ordered(
        'user',
        'shared',
        world.ofUsers(() => world.uniform() * day),
        'other',
      ),
      ordered(
        'connection',
        'shared',
        world.ofConnections(habits, (habit) => habit),
        'other',
      ),
    ];
    expect(pOfLink(world, 0.2, shared)).toBe(1 / 2_000);
  });
});
