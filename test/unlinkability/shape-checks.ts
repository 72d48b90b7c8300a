import { beforeAll, describe, expect, inject, it } from 'vitest';
import { type Run, runAdversary } from './adversary.js';
import { knownLinks, partsNotFound, tracesOf, unexpectedOf } from './known-links.js';
import { cellsOf, measuredTable, readFromThreatModel, renderTable, writeToThreatModel } from './measured-table.js';
import { judge } from './statistics/index.js';
import { type Finding } from './trace.js';
import { cohorts } from './world/population.js';
import { type Shape } from './world/stacks.js';

/**
 * How far a figure of the threat model may be from that of another run, in percentage points. A cohort has 40 to 120 users, and a
 * busy machine orders their acts differently: so it only notices that a figure is of another kind.
 */
const tolerance = 45;

/** For two runs beside other heavy tests. One run takes three quarters of a minute on an idle machine. */
const longTimeoutMs = 900_000;

const cohortsOfUsers: readonly string[] = cohorts.filter((name) => name !== 'renewed connection');
const isAnyUserLinked = knownLinks.some(({ problems }) => problems.some((name) => cohortsOfUsers.includes(name)));

/** Attacks one shape of the service, and compares what is found with the known links and with the threat model. */
export function checkShape(shape: Shape): void {
  describe(`the adversary against SERVICE_ROLE=${shape === 'all' ? 'all' : 'gatekeeper and anonymizer'}`, () => {
    let run: Run;
    let comparison: Comparison;

    beforeAll(async () => {
      const seed = inject('seed');
      run = await runAdversary({ shape, seed });
      const { hits, asked, upper99 } = run.judgement.bounds.pooled;
      console.log(
        `${tableOf(run)}\nbest attack: ${hits} of ${asked} users, at most ${(100 * upper99).toFixed(1)} % (99 %)`,
      );
      if (process.env['WRITE_THREAT_MODEL'] !== undefined) await writeToThreatModel(shape, tableOf(run));
      comparison = await confirmed(compare(run), () => runAdversary({ shape, seed: seed + 1 }));
    }, longTimeoutMs);

    it('finds no link that is not known', () => {
      expect(comparison.unexpected.map(describeFinding)).toEqual([]);
    });

    it('still finds every known link', () => {
      expect(comparison.notFound).toEqual([]);
    });

    // While links are known, more users than that are linked.
    if (!isAnyUserLinked) {
      it('links at most 5 % of users, with 99 % confidence', () => {
        expect(run.judgement.bounds.pooled.upper99).toBeLessThanOrEqual(0.05);
      });
    }

    it('finds shares within 45 points of those in the threat model', () => {
      const written = readFromThreatModel(shape);
      const measured = cellsOf(tableOf(run));
      expect(written.map(([label]) => label)).toEqual(measured.map(([label]) => label));
      expect(written[0]).toEqual(measured[0]);
      const apart = measured.flatMap(([label = '', ...cells], row) =>
        cells.flatMap((cell, column) => {
          const other = written[row]?.[column + 1] ?? '';
          const isApart = cell.includes('%') && Math.abs(percentIn(cell) - percentIn(other)) > tolerance;
          return isApart ? [`${label}: measured ${cell}, written ${other}`] : [];
        }),
      );
      expect(apart).toEqual([]);
    });
  });
}

function tableOf({ problems, judgement: { findings, significant } }: Run): string {
  const names = problems.map(({ name }) => name);
  return renderTable(measuredTable(names, findings, significant));
}

interface Comparison {
  readonly unexpected: readonly Finding[];
  readonly notFound: readonly string[];
}

/**
 * Compares a run with the list. What is known is looked for with its own traces alone: among fewer attempts, a weak link stands
 * out more.
 */
function compare({ traces, problems, judgement, seed }: Run): Comparison {
  return {
    unexpected: unexpectedOf(judgement.significant, knownLinks),
    notFound: knownLinks.flatMap((link) => {
      const asked = problems.filter(({ name }) => link.problems.includes(name));
      return partsNotFound(link, judge(tracesOf(link, traces), asked, { seed }).significant);
    }),
  };
}

/**
 * One population may show by chance what is no link, or not show a weak one: so a difference counts only if another population
 * has it too. A link counts as the same if one of its sides is.
 */
async function confirmed(first: Comparison, runAgain: () => Promise<Run>): Promise<Comparison> {
  if (first.unexpected.length === 0 && first.notFound.length === 0) return first;
  const second = compare(await runAgain());
  const found = new Set(second.unexpected.flatMap(sidesOf));
  return {
    unexpected: first.unexpected.filter((finding) => sidesOf(finding).some((side) => found.has(side))),
    notFound: first.notFound.filter((part) => second.notFound.includes(part)),
  };
}

const sidesOf = ({ problem, left, right }: Finding) => [
  `${problem}: ${left.source} ×`,
  `${problem}: × ${right.source}`,
];

const linkOf = ({ problem, left, right }: Finding) => `${problem}: ${left.source} × ${right.source}`;

const describeFinding = (finding: Finding) =>
  `${linkOf(finding)}, ${finding.matcher}: ${finding.hits} of ${finding.asked} right, AUC ${finding.auc.toFixed(3)}`;

/** "chance" counts as 0. */
const percentIn = (cell: string) => Number(/[\d.]+/.exec(cell)?.[0] ?? 0);
