import { type CategoryTrace, type EntityKind, type OrderedTrace, type Trace } from '../trace.js';
import { assign } from './assignment.js';
import {
  categoricalLikelihood,
  type Codes,
  codesOf,
  type Contingency,
  contingencyOf,
} from './categorical-likelihood.js';
import { type Cohort } from './cohort.js';
import { type Column, columnOf, ranksOf } from './column.js';
import { equalValue, holdersOf, type Values, valuesOf } from './equal-value.js';
import { type FastRandom } from './fast-random.js';
import { gapLikelihood } from './gap-likelihood.js';
import { assigned, lastBefore, nearest, type Scorer } from './ordered-matchers.js';

/** One matcher, tried on one pair of traces. */
export interface Attempt {
  readonly left: Trace;
  readonly right: Trace;
  readonly matcher: string;
  /** The same for all attempts of a problem that compute the same. Many tables are written in one transaction, at one time. */
  readonly computation: string;
  /** Learns on the true pairs of one half of the users, and is judged on the other. */
  readonly learns: boolean;
  readonly scorer: () => Scorer;
}

/** With fewer users or connections of the problem, a trace shows nothing. */
const minimumEntities = 5;

/** Lists what can be tried. Keeps across problems what they share. */
export class AttemptList {
  private readonly keys = new Map<string, number>();
  private readonly assignments = new Map<string, Map<string, string[]>>();

  constructor(
    private readonly traces: readonly Trace[],
    private readonly random: FastRandom,
  ) {}

  on(cohort: Cohort): Attempt[] {
    const lefts = this.prepare(cohort, cohort.problem.left, 'left');
    const rights = this.prepare(cohort, 'connection', 'right');
    const ordered = lefts.ordered.flatMap((left) =>
      rights.ordered.flatMap((right) => this.ordered(cohort, left, right)),
    );
    return [...ordered, ...categories(cohort, lefts.categories, rights.categories)];
  }

  private prepare(cohort: Cohort, of: EntityKind, side: 'left' | 'right') {
    const judged = side === 'left' ? [...new Set(cohort.answers)].map((at) => cohort.candidates[at]!) : cohort.asked;
    const entities = side === 'left' ? cohort.candidates : cohort.asked;
    const useful = this.traces.filter((trace) => trace.of === of && varies(trace, judged));
    const ordered = useful.filter((trace) => trace.type === 'ordered');
    return {
      ordered: ordered.map((trace) => this.prepareOrdered(cohort, trace, entities)),
      categories: useful
        .filter((trace) => trace.type === 'category')
        .map((trace) => this.prepareCategory(trace, entities)),
    };
  }

  private prepareOrdered(cohort: Cohort, trace: OrderedTrace, entities: readonly string[]): PreparedOrdered {
    // Users are ranked among all users. Older connections are ranked among older ones, since newer ones are in the trace too.
    const numbers = cohort.problem.left === 'user' ? trace.values : only(trace.values, entities);
    const ranks = columnOf(ranksOf(numbers), entities);
    return {
      trace,
      numbers,
      values: columnOf(numbers, entities),
      valuesKey: `${trace.scale} ${this.keyOf([...numbers].sort(([a], [b]) => (a < b ? -1 : 1)))}`,
      ranks,
      ranksKey: this.keyOf([[...ranks.offsets], [...ranks.values]]),
    };
  }

  private prepareCategory(trace: CategoryTrace, entities: readonly string[]): PreparedCategory {
    const values = valuesOf(trace.values, entities);
    return { trace, values, codes: codesOf(values), key: this.keyOf(values) };
  }

  private ordered(cohort: Cohort, left: PreparedOrdered, right: PreparedOrdered): Attempt[] {
    const attempt = (matcher: string, scorer: () => Scorer, learns = false): Attempt => {
      const keys = matcher === 'equal rank' ? [left.ranksKey, right.ranksKey] : [left.valuesKey, right.valuesKey];
      return {
        left: left.trace,
        right: right.trace,
        matcher,
        computation: [matcher, ...keys].join(' | '),
        learns,
        scorer,
      };
    };
    const byRank = attempt('equal rank', () => nearest(left.ranks, right.ranks));
    if (left.trace.scale !== right.trace.scale) return [byRank];
    return [
      attempt('nearest', () => nearest(left.values, right.values)),
      attempt('last before', () => lastBefore(left.values, right.values)),
      attempt('gap likelihood', () => gapLikelihood(left.values, right.values, cohort), true),
      attempt('assignment', () => assigned(left.values, right.values, this.partners(cohort, left, right))),
      byRank,
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
}

interface PreparedCategory {
  readonly trace: CategoryTrace;
  readonly values: Values;
  readonly codes: Codes;
  readonly key: number;
}

/** True if enough of the entities have the trace, and it does not say the same of all. */
function varies({ values }: Trace, entities: readonly string[]): boolean {
  const present = entities.filter((entity) => values.has(entity));
  const different = new Set(entities.map((entity) => JSON.stringify(values.get(entity)?.toSorted() ?? [])));
  return present.length >= minimumEntities && different.size > 1;
}

function only<Value>(values: ReadonlyMap<string, Value>, entities: readonly string[]): Map<string, Value> {
  const known = new Set(entities);
  return new Map([...values].filter(([entity]) => known.has(entity)));
}

function categories(
  cohort: Cohort,
  lefts: readonly PreparedCategory[],
  rights: readonly PreparedCategory[],
): Attempt[] {
  const attempts: Attempt[] = [];
  const contingencies = new Map<string, Contingency>();
  for (const left of lefts)
    for (const right of rights) {
      const key = `${left.key} | ${right.key}`;
      const pair = { left: left.trace, right: right.trace };
      if (shareValue(left.values, right.values)) {
        const scorer = () => equalValue(left.values, right.values);
        attempts.push({ ...pair, matcher: 'equal value', computation: `equal value | ${key}`, learns: false, scorer });
      }
      if (!left.codes.repeats || !right.codes.repeats) continue;
      const contingency = contingencies.get(key) ?? contingencyOf(left.codes, right.codes, cohort);
      contingencies.set(key, contingency);
      const scorer = () => categoricalLikelihood([contingency], cohort);
      const matcher = 'categorical likelihood';
      attempts.push({ ...pair, matcher, computation: `${matcher} | ${key}`, learns: true, scorer });
    }
  if (contingencies.size === 0) return attempts;
  const matcher = 'combined categories';
  const scorer = () => categoricalLikelihood([...contingencies.values()], cohort);
  const [left, right] = [allCategories(cohort.problem.left), allCategories('connection')];
  return [...attempts, { left, right, matcher, computation: matcher, learns: true, scorer }];
}

function shareValue(left: Values, right: Values): boolean {
  const holders = holdersOf(left);
  return right.some((values) => values.some((value) => holders.has(value)));
}

/** Stands for all categories of a side at once. */
function allCategories(of: EntityKind): CategoryTrace {
  return { of, kind: 'column', source: 'all categories', type: 'category', values: new Map() };
}
