import { type CategoryTrace, type EntityKind } from '../trace.js';
import { type Attempt } from './attempt.js';
import { categoricalLikelihood, type Codes, type Contingency, contingencyOf } from './categorical-likelihood.js';
import { type Cohort } from './cohort.js';
import { equalValue, holdersOf, type Values } from './equal-value.js';
import { type Scorer } from './ordered-matchers.js';

export interface PreparedCategory {
  readonly trace: CategoryTrace;
  readonly values: Values;
  readonly codes: Codes;
  readonly key: number;
}

/** Every matcher of categories, on every pair, and on all columns together. */
export function categoryAttempts(
  cohort: Cohort,
  lefts: readonly PreparedCategory[],
  rights: readonly PreparedCategory[],
): Attempt[] {
  const attempts: Attempt[] = [];
  const contingencies = new Map<string, Contingency>();
  const equalities = new Map<string, () => Scorer>();
  for (const left of lefts)
    for (const right of rights) {
      const key = `${left.key} | ${right.key}`;
      const pair = { left: left.trace, right: right.trace };
      const areColumns = left.trace.kind === 'column' && right.trace.kind === 'column';
      if (shareValue(left.values, right.values)) {
        const scorer = () => equalValue(left.values, right.values);
        if (areColumns && left.codes.repeats && right.codes.repeats) equalities.set(key, scorer);
        attempts.push({ ...pair, matcher: 'equal value', computation: `equal value | ${key}`, learns: false, scorer });
      }
      if (!left.codes.repeats || !right.codes.repeats) continue;
      const contingency = contingencies.get(key) ?? contingencyOf(left.codes, right.codes, cohort);
      if (areColumns) contingencies.set(key, contingency);
      const scorer = () => categoricalLikelihood([contingency], cohort);
      const matcher = 'categorical likelihood';
      attempts.push({ ...pair, matcher, computation: `${matcher} | ${key}`, learns: true, scorer });
    }
  const combined = (matcher: string, learns: boolean, scorer: () => Scorer): Attempt => {
    const [left, right] = [allCategories(cohort.problem.left), allCategories('connection')];
    return { left, right, matcher, computation: matcher, learns, scorer };
  };
  if (equalities.size > 1)
    attempts.push(
      combined('combined equal values', false, () => sumOf([...equalities.values()].map((make) => make()))),
    );
  if (contingencies.size > 0) {
    const scorer = () => categoricalLikelihood([...contingencies.values()], cohort);
    attempts.push(combined('combined categories', true, scorer));
  }
  return attempts;
}

/** Scores that add up: each is the logarithm of a likelihood. */
function sumOf(scorers: readonly Scorer[]): Scorer {
  return (asked, scores) => {
    const one = new Float64Array(scores.length);
    scores.fill(0);
    for (const scorer of scorers) {
      scorer(asked, one);
      for (let candidate = 0; candidate < scores.length; candidate++) scores[candidate]! += one[candidate]!;
    }
  };
}

function shareValue(left: Values, right: Values): boolean {
  const holders = holdersOf(left);
  return right.some((values) => values.some((value) => holders.has(value)));
}

/** Stands for all columns of a side that are categories. Other sources stay apart, so that each shows what it gives alone. */
function allCategories(of: EntityKind): CategoryTrace {
  return { of, kind: 'column', source: 'all categories', type: 'category', values: new Map() };
}
