import { beforeEach, describe, expect, it } from 'vitest';
import { type OrderedTrace, type Problem, type Trace } from '../trace.js';
import { judge, type JudgedFinding } from './index.js';
import { category, ordered, SyntheticWorld } from './synthetic.js';

const day = 86_400_000;

const rankMatchers = ['equal rank', 'equal rank among peers'];

/** What each matcher found out about one pair of traces. */
function matchersOn(traces: readonly Trace[], problem: Problem): Record<string, JudgedFinding> {
  return Object.fromEntries(judge(traces, [problem], { seed: 1 }).findings.map((found) => [found.matcher, found]));
}

function significantOn(traces: readonly Trace[], problem: Problem): string[] {
  const { significant } = judge(traces, [problem], { seed: 1 });
  return [...new Set(significant.map(({ matcher }) => matcher))].sort();
}

describe('the ordered matchers', () => {
  let world: SyntheticWorld;
  let times: Map<string, number>;
  let left: OrderedTrace;
  beforeEach(() => {
    world = new SyntheticWorld(1, 60);
    times = world.ofUsers(() => world.uniform() * day);
    left = ordered('user', 'signed up', times);
  });

  it('find times that are equal', () => {
    const right = ordered(
      'connection',
      'created',
      world.ofConnections(times, (time) => time),
    );
    const found = matchersOn([left, right], world.problem());
    expect(Object.keys(found).sort()).toEqual(
      [...rankMatchers, 'assignment', 'gap likelihood', 'last before', 'nearest'].sort(),
    );
    for (const matcher of [...rankMatchers, 'assignment', 'last before', 'nearest'])
      expect(found[matcher], matcher).toMatchObject({ hits: 60, asked: 60, auc: 1, p: 1 / 2_000 });
    expect(found['gap likelihood']!.hits).toBeGreaterThan(55);
    expect(found['gap likelihood']!.p).toBe(1 / 2_000);
  });

  it('find an order alone, on scales that cannot be compared', () => {
    const order = world.ofConnections(times, (time) => Math.sqrt(time));
    const found = matchersOn([left, ordered('connection', 'row', order, 'position in a file')], world.problem());
    expect(Object.keys(found).sort()).toEqual(rankMatchers);
    for (const matcher of rankMatchers) expect(found[matcher]).toMatchObject({ hits: 60, auc: 1, p: 1 / 2_000 });
  });

  it('find the order of one day among rows of many others', () => {
    // Users of other days come before and after, and so do connections, in other numbers.
    const others = (count: number, from: number) =>
      Array.from({ length: count }, (_, index): [string, number] => [`other ${from + index}`, (from + index) * day]);
    const users = new Map([...times, ...others(200, 2)]);
    const order = world.ofConnections(times, (time) => Math.sqrt(time));
    const connections = new Map([...order, ...others(20, 2), ...others(80, -90)]);
    const candidates = [...users.keys()];
    const found = matchersOn(
      [
        ordered('user', 'row', users, 'rows of users'),
        ordered('connection', 'row', connections, 'rows of connections'),
      ],
      world.problem({ candidates }),
    );
    expect(found['equal rank']!.hits).toBeLessThan(10);
    expect(found['equal rank among peers']).toMatchObject({ hits: 60, p: 1 / 2_000 });
  });

  it('find the last value before, where the next user is often nearer', () => {
    const others = [...times.values()].sort((a, b) => a - b);
    const next = (time: number) => others.find((other) => other > time) ?? day;
    // Nine tenths of the way to the next user's time.
    const right = ordered(
      'connection',
      'created',
      world.ofConnections(times, (time) => time + 0.9 * (next(time) - time)),
    );
    const found = matchersOn([left, right], world.problem());
    expect(found['last before']).toMatchObject({ hits: 60, p: 1 / 2_000 });
    expect(found['nearest']!.hits).toBeLessThan(5);
  });

  it('learn a fixed delay of a day, give or take a minute, that no other matcher sees', () => {
    const delayed = world.ofConnections(times, (time) => time + day + 60_000 * world.normal());
    const found = matchersOn([left, ordered('connection', 'expires', delayed)], world.problem());
    expect(found['gap likelihood']!.p).toBe(1 / 2_000);
    expect(found['gap likelihood']!.hits).toBeGreaterThan(30);
    expect(found['nearest']!.p).toBeGreaterThan(0.01);
    expect(found['last before']!.p).toBeGreaterThan(0.01);
  });

  it('learn a gap that is short, though most connections start at any later time', () => {
    const mixed = world.ofConnections(times, (time) => time + (world.uniform() < 0.4 ? 2_000 : world.uniform() * day));
    const found = matchersOn([left, ordered('connection', 'created', mixed)], world.problem());
    expect(found['gap likelihood']!.p).toBe(1 / 2_000);
    expect(found['gap likelihood']!.hits).toBeGreaterThan(12);
  });

  it('assign one to one, where the nearest is often another user', () => {
    // Users come in pairs a second apart, and the connections of both are later by more than that.
    const pairs = new Map(
      world.users.map((user, index) => [user, Math.floor(index / 2) * 60_000 + (index % 2) * 1_000]),
    );
    const later = world.ofConnections(pairs, (time) => time + 5_000);
    const found = matchersOn([ordered('user', 'u', pairs), ordered('connection', 'c', later)], world.problem());
    expect(found['assignment']).toMatchObject({ hits: 60, p: 1 / 2_000 });
    expect(found['nearest']!.hits).toBe(30);
  });

  it('try each of several values of a user and of a connection', () => {
    const many = (time: number, noise: number) => [day * 5 + noise * day, time, day * 9 + noise * day];
    const several: Trace[] = [
      { ...left, values: new Map([...times].map(([user, time]) => [user, many(time, world.uniform())])) },
      {
        ...ordered('connection', 'created', new Map()),
        values: world.ofConnections(times, (time) => many(time, world.uniform() + 20)),
      },
    ];
    expect(matchersOn(several, world.problem())['nearest']).toMatchObject({ hits: 60, p: 1 / 2_000 });
  });

  it('chain older and newer connections', () => {
    const chain = new Map(world.users.map((_, index) => [`newer ${index}`, `older ${index}`]));
    const ends = new Map([...times.values()].map((time, index) => [`older ${index}`, time]));
    const starts = new Map([...times.values()].map((time, index) => [`newer ${index}`, time + 2]));
    const classes = new Map([...ends.keys()].map((connection) => [connection, 'all']));
    const renewals: Problem = {
      name: 'renewals',
      left: 'connection',
      truth: chain,
      candidates: [...ends.keys()],
      classes,
    };
    // One column holds both, and users' times are no answer here.
    const column = ordered('connection', 'changed', new Map([...ends, ...starts]));
    const found = matchersOn([column, left], renewals);
    expect(found['equal rank']).toMatchObject({ hits: 60, p: 1 / 2_000, left: column, right: column });
    expect(found['nearest']).toMatchObject({ hits: 60, p: 1 / 2_000 });
  });

  it('never take a connection for the one before it', () => {
    // Each connection renews the one before: all but the last are answers too.
    const names = Array.from({ length: 61 }, (_, index) => `connection ${index}`);
    const truth = new Map(names.slice(1).map((name, index) => [name, names[index]!]));
    const column = ordered(
      'connection',
      'created',
      new Map(names.map((name, index) => [name, index * 1_000 + index ** 2])),
    );
    const chain: Problem = {
      name: 'renewals',
      left: 'connection',
      truth,
      candidates: names,
      classes: new Map(names.map((name) => [name, 'all'])),
    };
    expect(matchersOn([column], chain)['last before']).toMatchObject({ hits: 60, p: 1 / 2_000 });
  });
});

describe('the matchers of categories', () => {
  let world: SyntheticWorld;
  beforeEach(() => {
    world = new SyntheticWorld(2, 120);
  });
  const random = (of: number) => () => `value ${world.random.integer(of)}`;

  it('find rare values that both sides have', () => {
    // Each of 40 values has three users, and half of the connections tell their user's.
    const values = new Map(world.users.map((user, index) => [user, `locale ${index % 40}`]));
    const right = world.ofConnections(values, (value) =>
      world.uniform() < 0.5 ? value : `locale ${world.random.integer(40)}`,
    );
    const found = matchersOn([category('user', 'u', values), category('connection', 'c', right)], world.problem());
    expect(found['equal value']!.p).toBe(1 / 2_000);
    expect(found['equal value']!.hits).toBeGreaterThan(10);
  });

  it('add up equal values of several columns', () => {
    const columns = ['location', 'level', 'port'].map((name) => {
      const values = world.ofUsers(random(6));
      const right = world.ofConnections(values, (value) => value);
      return [category('user', name, values), category('connection', name, right)];
    });
    const found = matchersOn(columns.flat(), world.problem());
    expect(found['combined equal values']!.hits).toBeGreaterThan(2 * found['equal value']!.hits);
  });

  it('prefer a rare value to a common one', () => {
    const both = (user: string) => ['common', `only of ${user}`];
    const values = {
      user: world.ofUsers(both),
      connection: new Map([...world.truth].map(([id, user]) => [id, both(user)])),
    };
    const traces = (['user', 'connection'] as const).map((of) => ({
      ...category(of, of, new Map()),
      values: values[of],
    }));
    expect(matchersOn(traces, world.problem())['equal value']).toMatchObject({ hits: 120, p: 1 / 2_000 });
  });

  it('learn which values go together, though they are not equal', () => {
    const levels = world.ofUsers(() => `level ${world.random.integer(6)}`);
    const right = world.ofConnections(levels, (level) =>
      world.uniform() < 0.7 ? level.replace('level', 'resolver') : random(6)(),
    );
    const traces = [category('user', 'u', levels), category('connection', 'c', right)];
    expect(significantOn(traces, world.problem())).toEqual(['categorical likelihood', 'combined categories']);
  });

  it('learn what an absent value goes with', () => {
    const levels = new Map(world.users.slice(0, 60).map((user) => [user, 'paid']));
    const ports = new Map(
      [...world.truth].map(([connection, user]) => [connection, levels.has(user) ? 'fast' : 'slow']),
    );
    expect(
      significantOn([category('user', 'u', levels), category('connection', 'c', ports)], world.problem()),
    ).toContain('categorical likelihood');
  });

  it('combine weak columns into a strong one, among many that say nothing', () => {
    const noise = Array.from({ length: 4 }, (_, index) => [
      category('user', `noise ${index}`, world.ofUsers(random(5))),
      category('connection', `noise ${index}`, world.ofConnections(new Map(), random(5))),
    ]).flat();
    const weak = Array.from({ length: 6 }, (_, index) => {
      const values = world.ofUsers(random(5));
      const right = world.ofConnections(values, (value) =>
        world.uniform() < 0.25 ? value.replace('value', 'other') : random(5)(),
      );
      return [category('user', `weak ${index}`, values), category('connection', `weak ${index}`, right)];
    }).flat();
    const { findings } = judge([...noise, ...weak], [world.problem()], { seed: 1 });
    expect(findings[0]).toMatchObject({
      matcher: 'combined categories',
      left: { source: 'all categories' },
      p: 1 / 2_000,
    });
    expect(findings[0]!.z).toBeGreaterThan(1.15 * findings[1]!.z);
  });

  it('learn nothing from values that no two users share', () => {
    const unique = category(
      'user',
      'id',
      world.ofUsers((user) => user),
    );
    const right = category('connection', 'location', world.ofConnections(new Map(), random(4)));
    expect(judge([unique, right], [world.problem()], { seed: 1 }).findings).toEqual([]);
  });
});

describe('judge', () => {
  const world = new SyntheticWorld(3, 40);
  const times = world.ofUsers(() => world.uniform() * day);
  const right = ordered(
    'connection',
    'created',
    world.ofConnections(times, (time) => time),
  );

  it('gives each pair of sources a finding, also where two traces hold the same', () => {
    const copies = ['first', 'second'].map((source) => ordered('user', source, times));
    const { findings } = judge([...copies, right], [world.problem()], { seed: 1 });
    const [first, second] = copies.map(({ source }) => findings.filter(({ left }) => left.source === source));
    expect(first).toHaveLength(6);
    expect(second!.map(({ matcher, z }) => [matcher, z])).toEqual(first!.map(({ matcher, z }) => [matcher, z]));
  });

  it('skips traces that are the same for all, or that few have', () => {
    const constant = ordered(
      'user',
      'constant',
      world.ofUsers(() => 7),
    );
    const few = ordered('user', 'few', new Map([...times].slice(0, 4)));
    expect(judge([constant, few, right], [world.problem()], { seed: 1 }).findings).toEqual([]);
  });

  it('gives the same answer for the same seed', () => {
    const noise = ordered(
      'user',
      'noise',
      world.ofUsers(() => world.random.integer(5)),
    );
    const figures = (seed: number) =>
      judge([noise, right], [world.problem()], { seed }).findings.map(({ hits, z, p }) => [hits, z, p]);
    expect(figures(1)).toEqual(figures(1));
    expect(figures(1)).not.toEqual(figures(2));
  });

  it('refuses a problem whose right answer is no candidate, or has no class', () => {
    const attempt = (changes: Partial<Problem>) => () => judge([], [world.problem(changes)], { seed: 1 });
    expect(attempt({ candidates: [] })).toThrow('the right answer for connection 0 of user-0 is no candidate');
    expect(attempt({ classes: new Map() })).toThrow('the right answer user-0 has no class');
  });
});
