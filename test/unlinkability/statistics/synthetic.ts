import { type CategoryTrace, type EntityKind, type OrderedTrace, type Problem } from '../trace.js';
import { FastRandom } from './fast-random.js';

/** Users and connections made up for a test of the statistics, with `each` connections of each user. */
export class SyntheticWorld {
  readonly random: FastRandom;
  readonly users: readonly string[];
  /** Connection → its user. */
  readonly truth: ReadonlyMap<string, string>;

  constructor(seed: number, users: number, each = 1) {
    this.random = new FastRandom(`synthetic ${seed}`);
    this.users = Array.from({ length: users }, (_, number) => `user-${number}`);
    this.truth = new Map(
      this.users.flatMap((user) =>
        Array.from({ length: each }, (_, number) => [`connection ${number} of ${user}`, user]),
      ),
    );
  }

  problem(changes: Partial<Problem> = {}): Problem {
    const classes = new Map(this.users.map((user) => [user, 'all']));
    return { name: 'synthetic', left: 'user', truth: this.truth, candidates: this.users, classes, ...changes };
  }

  /** At least 0, below 1. */
  uniform(): number {
    return this.random.integer(2 ** 31) / 2 ** 31;
  }

  /** Standard normal, nearly: the sum of twelve uniform numbers. */
  normal(): number {
    return Array.from({ length: 12 }, () => this.uniform()).reduce((sum, value) => sum + value, -6);
  }

  /** A value for each user. */
  ofUsers<Value>(value: (user: string) => Value): Map<string, Value> {
    return new Map(this.users.map((user) => [user, value(user)]));
  }

  /** A value for each connection, made of its user's. */
  ofConnections<Of, Value>(users: ReadonlyMap<string, Of>, value: (ofUser: Of) => Value): Map<string, Value> {
    return new Map([...this.truth].map(([connection, user]) => [connection, value(users.get(user)!)]));
  }
}

export function ordered(
  of: EntityKind,
  source: string,
  values: ReadonlyMap<string, number>,
  scale = 'time',
): OrderedTrace {
  const lists = new Map([...values].map(([entity, value]) => [entity, [value]]));
  return { of, kind: 'column', source, type: 'ordered', scale, values: lists };
}

export function category(of: EntityKind, source: string, values: ReadonlyMap<string, string>): CategoryTrace {
  const lists = new Map([...values].map(([entity, value]) => [entity, [value]]));
  return { of, kind: 'column', source, type: 'category', values: lists };
}
