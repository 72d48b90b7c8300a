import { beforeAll, describe, expect, inject, it } from 'vitest';
import { type Run, runAdversary } from './adversary.js';
import { compareWithKnown, type Comparison, knownLinks } from './known-links.js';
import { cellsOf, measuredTable, readFromThreatModel, renderTable, writeToThreatModel } from './measured-table.js';
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
      comparison = await confirmed(compareWithKnown(run.judgement.significant, knownLinks), () =>
        runAdversary({ shape, seed: seed + 1 }),
      );
    }, longTimeoutMs);

    it('finds no link that is not known', () => {
      expect(comparison.unexpected.map(describeFinding)).toEqual([]);
    });

    it('still finds every known link', () => {
      expect(comparison.notFound).toEqual([]);
    });

    const cohortsOfUsers: readonly string[] = cohorts.filter((name) => name !== 'renewed connection');

    it.skipIf(knownLinks.some(({ problems }) => problems.some((name) => cohortsOfUsers.includes(name))))(
      'links at most 5 % of users, with 99 % confidence, since no link of users is known',
      () => expect(run.judgement.bounds.pooled.upper99).toBeLessThanOrEqual(0.05),
    );

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

/**
 * One seed may find by chance what is no link, or miss a weak one: so a difference counts only if another population shows it
 * too.
 */
async function confirmed(first: Comparison, runAgain: () => Promise<Run>): Promise<Comparison> {
  if (first.unexpected.length === 0 && first.notFound.length === 0) return first;
  const { judgement } = await runAgain();
  const second = compareWithKnown(judgement.significant, knownLinks);
  const found = new Set(second.unexpected.map(linkOf));
  return {
    unexpected: first.unexpected.filter((finding) => found.has(linkOf(finding))),
    notFound: first.notFound.filter((part) => second.notFound.includes(part)),
  };
}

const linkOf = ({ problem, left, right }: Finding) => `${problem}: ${left.source} × ${right.source}`;

const describeFinding = (finding: Finding) =>
  `${linkOf(finding)}, ${finding.matcher}: ${finding.hits} of ${finding.asked} right, AUC ${finding.auc.toFixed(3)}`;

/** "chance" counts as 0. */
const percentIn = (cell: string) => Number(/[\d.]+/.exec(cell)?.[0] ?? 0);
