import { type CategoryTrace, type EntityKind, type OrderedTrace, type Trace } from '../trace.js';
import { assign } from './assignment.js';
import { type Attempt } from './attempt.js';
import { codesOf } from './categorical-likelihood.js';
import { categoryAttempts, type PreparedCategory } from './category-attempts.js';
import { type Cohort } from './cohort.js';
import { type Column, columnOf, ranksOf } from './column.js';
import { valuesOf } from './equal-value.js';
import { type FastRandom } from './fast-random.js';
import { gapLikelihood } from './gap-likelihood.js';
import { assigned, lastBefore, nearest, type Scorer } from './ordered-matchers.js';

/** With fewer users or connections of the problem, a trace shows nothing. */
const minimumEntities = 5;

/** Lists what can be tried. Keeps across problems what they share. */
export class AttemptList {
  private readonly keys = new Map<string, number>();
  private readonly assignments = new Map<string, Map<string, string[]>>();

  /** @param asked the connections that all problems of the run ask about */
  constructor(
    private readonly traces: readonly Trace[],
    private readonly asked: ReadonlySet<string>,
    private readonly random: FastRandom,
  ) {}

  on(cohort: Cohort): Attempt[] {
    const lefts = this.prepare(cohort, cohort.problem.left, 'left');
    const rights = this.prepare(cohort, 'connection', 'right');
    const ordered = lefts.ordered.flatMap((left) =>
      rights.ordered.flatMap((right) => this.ordered(cohort, left, right)),
    );
    return [...ordered, ...categoryAttempts(cohort, lefts.categories, rights.categories)];
  }

  private prepare(cohort: Cohort, of: EntityKind, side: 'left' | 'right') {
    const judged = side === 'left' ? [...new Set(cohort.answers)].map((at) => cohort.candidates[at]!) : cohort.asked;
    const entities = side === 'left' ? cohort.candidates : cohort.asked;
    const useful = this.traces.filter((trace) => trace.of === of && varies(trace, judged));
    const ordered = useful.filter((trace) => trace.type === 'ordered');
    return {
      ordered: ordered.map((trace) => this.prepareOrdered(cohort, trace, entities, side)),
      categories: useful
        .filter((trace) => trace.type === 'category')
        .map((trace) => this.prepareCategory(trace, entities)),
    };
  }

  private prepareOrdered(
    cohort: Cohort,
    trace: OrderedTrace,
    entities: readonly string[],
    side: 'left' | 'right',
  ): PreparedOrdered {
    // Users are ranked among all users. Older connections are ranked among older ones, since newer ones are in the trace too.
    const numbers = cohort.problem.left === 'user' ? trace.values : only(trace.values, new Set(entities));
    const ranks = columnOf(ranksOf(numbers), entities);
    // What is public, the day, tells who acted on it: ranks among those alone are not blurred by other days.
    const peers = only(trace.values, side === 'left' ? peersOf(cohort) : this.asked);
    const peerRanks = columnOf(ranksOf(peers), entities);
    return {
      trace,
      numbers,
      values: columnOf(numbers, entities),
      valuesKey: `${trace.scale} ${this.keyOf([...numbers].sort(([a], [b]) => (a < b ? -1 : 1)))}`,
      ranks,
      ranksKey: this.keyOf([[...ranks.offsets], [...ranks.values]]),
      peerRanks,
      peerRanksKey: this.keyOf([[...peerRanks.offsets], [...peerRanks.values]]),
    };
  }

  private prepareCategory(trace: CategoryTrace, entities: readonly string[]): PreparedCategory {
    const values = valuesOf(trace.values, entities);
    return { trace, values, codes: codesOf(values), key: this.keyOf(values) };
  }

  private ordered(cohort: Cohort, left: PreparedOrdered, right: PreparedOrdered): Attempt[] {
    const attempt = (
      matcher: string,
      key: 'valuesKey' | 'ranksKey' | 'peerRanksKey',
      scorer: () => Scorer,
      learns = false,
    ): Attempt => ({
      left: left.trace,
      right: right.trace,
      matcher,
      computation: [matcher, left[key], right[key]].join(' | '),
      learns,
      scorer,
    });
    const byRank = [
      attempt('equal rank', 'ranksKey', () => nearest(left.ranks, right.ranks)),
      attempt('equal rank among peers', 'peerRanksKey', () => nearest(left.peerRanks, right.peerRanks)),
    ];
    if (left.trace.scale !== right.trace.scale) return byRank;
    return [
      attempt('nearest', 'valuesKey', () => nearest(left.values, right.values)),
      attempt('last before', 'valuesKey', () => lastBefore(left.values, right.values)),
      attempt('gap likelihood', 'valuesKey', () => gapLikelihood(left.values, right.values, cohort), true),
      attempt('assignment', 'valuesKey', () => assigned(left.values, right.values, this.partners(cohort, left, right))),
      ...byRank,
    ];
  }

  /** For each asked connection, the candidates that the assignment gives it. */
  private partners(cohort: Cohort, left: PreparedOrdered, right: PreparedOrdered): number[][] {
    const key = `${left.valuesKey} | ${right.valuesKey}`;
    const assignment = this.assignments.get(key) ?? assign(left.numbers, right.numbers, this.random);
    this.assignments.set(key, assignment);
    const position = new Map(cohort.candidates.map((name, index) => [name, index]));
    return cohort.asked.map((connection) =>
      (assignment.get(connection) ?? []).flatMap((owner) => position.get(owner) ?? []),
    );
  }

  private keyOf(content: unknown): number {
    const text = JSON.stringify(content);
    const key = this.keys.get(text) ?? this.keys.size;
    this.keys.set(text, key);
    return key;
  }
}

interface PreparedOrdered {
  readonly trace: OrderedTrace;
  readonly numbers: ReadonlyMap<string, readonly number[]>;
  readonly values: Column;
  readonly valuesKey: string;
  readonly ranks: Column;
  readonly ranksKey: number;
  /** Ranks among users of the same classes, or among the connections that are asked about. */
  readonly peerRanks: Column;
  readonly peerRanksKey: number;
}

/** True if enough of the entities have the trace, and it does not say the same of all. */
function varies({ values }: Trace, entities: readonly string[]): boolean {
  const present = entities.filter((entity) => values.has(entity));
  const different = new Set(entities.map((entity) => JSON.stringify(values.get(entity)?.toSorted() ?? [])));
  return present.length >= minimumEntities && different.size > 1;
}

function only<Value>(values: ReadonlyMap<string, Value>, known: ReadonlySet<string>): Map<string, Value> {
  return new Map([...values].filter(([entity]) => known.has(entity)));
}

/** The right answers, and all candidates that are publicly like one of them. */
function peersOf({ problem, candidates }: Cohort): Set<string> {
  const classes = new Set([...problem.truth.values()].map((answer) => problem.classes.get(answer)));
  return new Set(candidates.filter((candidate) => classes.has(problem.classes.get(candidate))));
}
