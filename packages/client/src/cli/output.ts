import { type Io } from './io.js';

export interface Output {
  readonly json: boolean;
}

/** Prints a result: lines of text, or one JSON document with `--json`. */
export function printResult(io: Io, { json }: Output, data: unknown, lines: readonly string[]): void {
  if (json) io.print(JSON.stringify(data, null, 2));
  else for (const line of lines) io.print(line);
}

/** Formats aligned columns. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [head, ...rows].map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** A number of tokens, such as "1 token" or "2 tokens". */
export function tokenCount(count: number): string {
  return count === 1 ? '1 token' : `${count} tokens`;
}

/** Formats a time in the time zone of this machine, to the minute. */
export function localTime(iso: string): string {
  return new Date(iso).toLocaleString('sv-SE', { dateStyle: 'short', timeStyle: 'short' });
}

/** Shows a progress message until the work is done. */
export async function withProgress<T>(io: Io, { json }: Output, message: string, work: Promise<T>): Promise<T> {
  const end = json ? () => {} : io.progress(message);
  try {
    return await work;
  } finally {
    end();
  }
}
