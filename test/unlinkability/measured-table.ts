import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { type Finding, type SourceKind, type Trace } from './trace.js';

const page = 'docs/threat-model.md';

/** One row of the table: what the adversary reads on the user's side. On the connection's side it may read anything. */
interface Row {
  readonly label: string;
  readonly type: Trace['type'];
  readonly kind: SourceKind;
}

const labels: Readonly<Record<SourceKind, string>> = {
  column: 'times and numbers in columns',
  'row order': 'order of rows in a dump',
  'transaction id': 'transaction ids of rows',
  'write-ahead log': 'commit times in the write-ahead log',
  'Redis key': 'keys of a running Redis',
  'Redis file': 'files that Redis writes',
  log: 'logs',
  metrics: 'metrics that name a user or connection',
  memory: 'memory of the running process',
};

/** The rows of every table, before the two that describe the cohorts. */
export const rows: readonly Row[] = [
  ...Object.entries(labels).map(([kind, label]) => ({ label, type: 'ordered' as const, kind: kind as SourceKind })),
  { label: 'settings and names in columns', type: 'category', kind: 'column' },
  { label: 'addresses in files that Redis writes', type: 'category', kind: 'Redis file' },
];

/** The best of the significant findings of a row and a cohort. */
interface Cell {
  /** Share of right guesses, in per cent. */
  readonly accuracy: number;
  readonly auc: number;
}

/** A measured table. A cell is undefined where the adversary is at chance. */
export interface MeasuredTable {
  readonly cohorts: readonly { readonly name: string; readonly asked: number; readonly chance: number }[];
  readonly rows: readonly { readonly label: string; readonly cells: readonly (Cell | undefined)[] }[];
}

/** Summarises what one run found about these cohorts. */
export function measuredTable(
  names: readonly string[],
  findings: readonly Finding[],
  significant: readonly Finding[],
): MeasuredTable {
  const cohorts = names.map((name) => {
    const own = findings.filter(({ problem }) => problem === name);
    const asked = Math.max(...own.map((finding) => finding.asked));
    return { name, asked, chance: average(own.map(({ chance, asked: of }) => chance / of)) };
  });
  const cell = (row: Row, name: string): Cell | undefined => {
    const own = significant.filter(
      ({ problem, left }) => problem === name && left.kind === row.kind && left.type === row.type,
    );
    if (own.length === 0) return undefined;
    return {
      accuracy: Math.max(...own.map(({ hits, asked }) => (100 * hits) / asked)),
      auc: Math.max(...own.map(({ auc }) => auc)),
    };
  };
  return { cohorts, rows: rows.map((row) => ({ label: row.label, cells: names.map((name) => cell(row, name)) })) };
}

const average = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** The table in Markdown. A cell is the share of connections whose best guess is the right user, and the AUC. */
export function renderTable({ cohorts, rows }: MeasuredTable): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const percent = (value: number) => `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
  return [
    line(["read on the user's side", ...cohorts.map(({ name }) => name)]),
    line(['-', ...cohorts.map(() => '-')]),
    ...rows.map(({ label, cells }) =>
      line([
        label,
        ...cells.map((cell) =>
          cell === undefined ? 'chance' : `**${percent(cell.accuracy)}** (${cell.auc.toFixed(2)})`,
        ),
      ]),
    ),
    line(['connections asked about', ...cohorts.map(({ asked }) => String(asked))]),
    line(['right by luck', ...cohorts.map(({ chance }) => percent(100 * chance))]),
  ].join('\n');
}

const begin = (shape: string) => `<!-- measured: ${shape} -->`;
const end = '<!-- end of measured -->';

/** The part of the threat model that holds the table of one shape of the service. */
function blockOf(text: string, shape: string): { readonly from: number; readonly to: number } {
  const from = text.indexOf(begin(shape));
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`${page} has no block "${begin(shape)} … ${end}".`);
  return { from: from + begin(shape).length, to };
}

/** Replaces the table of a shape in the threat model. */
export async function writeToThreatModel(shape: string, table: string): Promise<void> {
  const text = readFileSync(page, 'utf8');
  const { from, to } = blockOf(text, shape);
  const next = `${text.slice(0, from)}\n\n${table}\n\n${text.slice(to)}`;
  writeFileSync(page, await format(next, { ...(await resolveConfig(page)), filepath: page }));
}

/** The cells of the table in the threat model, row by row, the heading first. */
export function readFromThreatModel(shape: string): string[][] {
  const text = readFileSync(page, 'utf8');
  const { from, to } = blockOf(text, shape);
  return cellsOf(text.slice(from, to));
}

/** The cells of a table in Markdown, row by row, the heading first. */
export function cellsOf(table: string): string[][] {
  const lines = table.split('\n').filter((line) => line.startsWith('|') && !line.startsWith('| -'));
  return lines.map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}
