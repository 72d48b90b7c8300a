export type Row = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Prints rows as aligned columns, or as one JSON document with `--json`. @param none printed when there are no rows */
export function printRows(rows: readonly Row[], { json }: { readonly json: boolean }, none: string): void {
  if (json) {
    console.log(JSON.stringify(rows, null, 2));
    return;
  }
  if (rows.length === 0) {
    console.log(none);
    return;
  }
  const columns = Object.keys(rows[0] ?? {});
  const table = [columns, ...rows.map((row) => columns.map((column) => text(row[column])))];
  const widths = columns.map((_, index) => Math.max(...table.map((cells) => cells[index]?.length ?? 0)));
  for (const cells of table)
    console.log(
      cells
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

/** Prints a result as a sentence, or as data with `--json`. */
export function printDone(sentence: string, data: Row, { json }: { readonly json: boolean }): void {
  console.log(json ? JSON.stringify(data, null, 2) : sentence);
}

/** A number with its noun, such as "1 event" or "2 events". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function text(value: Row[string]): string {
  if (value === null || value === undefined) return '-';
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
}
