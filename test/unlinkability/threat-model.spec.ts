import { describe, expect, it } from 'vitest';
import { knownLinks } from './known-links.js';
import { readFromThreatModel, rows } from './measured-table.js';

/** The cells of a table that are not at chance, as `cohort: source`. */
function linkedCells(shape: string): string[] {
  const [[, ...cohorts] = [], ...lines] = readFromThreatModel(shape);
  return rows.flatMap(({ label, kind, type }) => {
    const [, ...cells] = lines.find(([name]) => name === label) ?? [];
    expect(cells).toHaveLength(cohorts.length);
    return cohorts.filter((_, index) => cells[index] !== 'chance').map((cohort) => `${cohort}: ${kind}, ${type}`);
  });
}

const knownCells = knownLinks.flatMap(({ type, problems, left }) =>
  problems.flatMap((cohort) => Object.keys(left).map((kind) => `${cohort}: ${kind}, ${type}`)),
);

describe.each(['all', 'split'])('the table of the threat model for the shape "%s"', (shape) => {
  it('shows no link that the adversary does not know', () => {
    expect(linkedCells(shape).filter((cell) => !knownCells.includes(cell))).toEqual([]);
  });

  it('shows a link of each cohort and each source that the adversary knows', () => {
    const linked = linkedCells(shape);
    for (const { type, problems: all, left, weak = [] } of knownLinks) {
      const kinds = Object.keys(left).filter((kind) => !weak.includes(`left kind ${kind}`));
      const problems = all.filter((cohort) => !weak.includes(`cohort ${cohort}`));
      for (const cohort of problems)
        expect(kinds.some((kind) => linked.includes(`${cohort}: ${kind}, ${type}`))).toBe(true);
      for (const kind of kinds)
        expect(problems.some((cohort) => linked.includes(`${cohort}: ${kind}, ${type}`))).toBe(true);
    }
  });
});
