import { type Io } from './io.js';

export interface Output {
  readonly json: boolean;
}

/** Prints one result: lines for people, one JSON document for programs. */
export function printResult(io: Io, { json }: Output, data: unknown, lines: readonly string[]): void {
  if (json) io.print(JSON.stringify(data, null, 2));
  else for (const line of lines) io.print(line);
}

/** Columns that line up. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [head, ...rows].map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** In the time zone of this machine, to the minute. */
export function moment(iso: string): string {
  return new Date(iso).toLocaleString('sv-SE', { dateStyle: 'short', timeStyle: 'short' });
}

/** Shows what is waited for while it is. */
export async function during<T>(io: Io, { json }: Output, what: string, work: Promise<T>): Promise<T> {
  const end = json ? () => {} : io.progress(what);
  try {
    return await work;
  } finally {
    end();
  }
}
