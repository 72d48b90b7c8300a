import { type Finding, type Problem, type Trace } from '../trace.js';
import { type Attempt } from './attempt.js';
import { AttemptList } from './attempts.js';
import { type Bound, boundOf, type SplitHits } from './bounds.js';
import { type Cohort, cohortOf } from './cohort.js';
import { compare } from './comparison.js';
import { FastRandom } from './fast-random.js';
import { linkageOf } from './linkage.js';

export interface JudgedFinding extends Finding {
  /** How far the truth is above the permuted ones, in standard deviations: the larger of hits and AUC. */
  readonly z: number;
}

export interface Judgement {
  /** Every test, the strongest first. */
  readonly findings: readonly JudgedFinding[];
  /** Those that chance explains with a probability of at most 0.1 %, counting all tests of the run. */
  readonly significant: readonly JudgedFinding[];
  readonly bounds: {
    readonly byProblem: ReadonlyMap<string, Bound>;
    /** Over all problems whose answers are users; each user counts once. */
    readonly pooled: Bound;
  };
}

export interface JudgeOptions {
  readonly seed: number | string;
  /** Permuted truths. Fewer than 999 cannot make anything significant. */
  readonly permutations?: number;
}

const familyWiseLevel = 0.001;

/** What the attempts of one problem that compute the same found. */
interface Outcome {
  readonly hits: number;
  readonly chance: number;
  readonly auc: number;
  readonly z: number;
  readonly correct: Uint8Array;
}

interface Tried {
  readonly cohort: Cohort;
  readonly attempt: Attempt;
  readonly outcome: Outcome;
}

/**
 * Tries every matcher on every pair of traces, for each problem, and says what chance does not explain.
 *
 * The null hypothesis is that nothing tells users of one class apart. Then the truth is as likely as any permuted truth, in which
 * the users of a class, each with all of its connections, change places. The p-value of a finding is the share of the permuted
 * truths, the truth included, in which *any* test of the run is as far above its chance (Westfall and Young 1993, the single-step
 * max-statistic). So the probability of any false finding in a run is at most the level, however many tests it has.
 *
 * *Learning.* A matcher that learns does so on the true pairs of one half of the users and is judged on the other. A permuted
 * truth permutes within class and half, and does not learn again. Given the half that taught, the model is fixed, and under the
 * null each permutation of the judged half is as likely as its truth: so the test of each direction is exact. Their sum would not
 * be. A pattern that both halves happen to have counts in both directions, but permuted truths, which keep both models, count the
 * directions as independent: the sum varies more than they say. So the directions are two tests of the family, and the finding has
 * the larger z. That the maximum takes the two for independent makes it no smaller than it should be.
 */
export function judge(traces: readonly Trace[], problems: readonly Problem[], options: JudgeOptions): Judgement {
  const random = new FastRandom(`unlinkability: ${options.seed}`);
  const maxima = new Float64Array(options.permutations ?? 1_999).fill(-Infinity);
  const attempts = new AttemptList(traces, new Set(problems.flatMap(({ truth }) => [...truth.keys()])), random);
  const tried = problems.flatMap((problem) => {
    const cohort = cohortOf(problem, maxima.length, random);
    const outcomes = new Map<string, Outcome>();
    return attempts.on(cohort).map((attempt): Tried => {
      const outcome = outcomes.get(attempt.computation) ?? outcomeOf(cohort, attempt, random, maxima);
      outcomes.set(attempt.computation, outcome);
      return { cohort, attempt, outcome };
    });
  });

  maxima.sort();
  const findings = tried.map((one) => findingOf(one, maxima)).sort((a, b) => a.p - b.p || b.z - a.z);
  return {
    findings,
    significant: findings.filter(({ p }) => p <= familyWiseLevel),
    bounds: boundsOf(problems, tried, traces),
  };
}

function outcomeOf(cohort: Cohort, attempt: Attempt, random: FastRandom, maxima: Float64Array): Outcome {
  const linkage = linkageOf(cohort, attempt.scorer(), random);
  const parts = (attempt.learns ? ([0, 1] as const) : (['both'] as const)).map((half) =>
    compare(cohort, linkage, half, maxima),
  );
  const sum = (of: 'hits' | 'chance' | 'ranks') => parts.reduce((total, part) => total + part[of], 0);
  return {
    hits: sum('hits'),
    chance: sum('chance'),
    auc: sum('ranks') / cohort.asked.length,
    z: Math.max(...parts.map(({ z }) => z)),
    correct: linkage.correct,
  };
}

function findingOf({ cohort, attempt, outcome }: Tried, ascendingMaxima: Float64Array): JudgedFinding {
  const { left, right, matcher } = attempt;
  const { hits, chance, auc, z } = outcome;
  const atLeast = ascendingMaxima.length - countBelow(ascendingMaxima, z);
  const p = (1 + atLeast) / (1 + ascendingMaxima.length);
  return { problem: cohort.problem.name, left, right, matcher, hits, asked: cohort.asked.length, chance, auc, p, z };
}

function countBelow(ascending: Float64Array, limit: number): number {
  const first = ascending.findIndex((value) => value >= limit);
  return first === -1 ? ascending.length : first;
}

function boundsOf(
  problems: readonly Problem[],
  tried: readonly Tried[],
  traces: readonly Trace[],
): Judgement['bounds'] {
  const counted = new Set<string>();
  const ofUsers = problems
    .filter(({ left }) => left === 'user')
    .map((problem) => ({ problem, firsts: firstsOf(problem, counted) }));
  return {
    byProblem: new Map(problems.map((problem) => [problem.name, bound([{ problem, firsts: firstsOf(problem) }])])),
    pooled: bound(ofUsers),
  };

  function bound(cases: readonly { problem: Problem; firsts: ReadonlySet<string> }[]): Bound {
    const firstsOfProblem = new Map(cases.map(({ problem, firsts }) => [problem, firsts]));
    const attacks = new Map<string, SplitHits & { hits: [number, number] }>();
    for (const { cohort, attempt, outcome } of tried) {
      const firsts = firstsOfProblem.get(cohort.problem);
      if (firsts === undefined) continue;
      // By position, since one source may have several traces.
      const key = [traces.indexOf(attempt.left), traces.indexOf(attempt.right), attempt.matcher].join(' ');
      const attack = `${attempt.left.source} × ${attempt.right.source}: ${attempt.matcher}`;
      const known = attacks.get(key) ?? { attack, hits: [0, 0] };
      for (const [index, connection] of cohort.asked.entries())
        if (firsts.has(connection) && outcome.correct[index] === 1) known.hits[cohort.halves[index] === 0 ? 0 : 1]++;
      attacks.set(key, known);
    }
    const asked = cases.reduce((sum, { firsts }) => sum + firsts.size, 0);
    const chance = cases.reduce((sum, { problem, firsts }) => sum + chanceOf(problem, firsts), 0);
    return boundOf([...attacks.values()], asked, chance);
  }
}

/** The first connection of each user, without those of users in `counted`, which it adds to. */
function firstsOf(problem: Problem, counted = new Set<string>()): Set<string> {
  const firsts = new Set<string>();
  for (const [connection, user] of problem.truth) {
    if (!counted.has(user)) firsts.add(connection);
    counted.add(user);
  }
  return firsts;
}

/** The expected hits of guesses within the right class. */
function chanceOf({ truth, classes }: Problem, connections: ReadonlySet<string>): number {
  const sizes = new Map<string | undefined, number>();
  for (const user of new Set(truth.values())) {
    const name = classes.get(user);
    sizes.set(name, (sizes.get(name) ?? 0) + 1);
  }
  return [...connections].reduce(
    (sum, connection) => sum + 1 / sizes.get(classes.get(truth.get(connection) ?? ''))!,
    0,
  );
}
