import { AppError } from '../errors/index.js';

/** A row in a list that is ordered by time: where a page begins that goes on after it. */
export interface PagePosition {
  readonly at: Date;
  /** Tells it from others of that moment. */
  readonly name: string;
}

const anyName = /^[0-9a-z:-]{1,60}$/;

/** Opaque to clients: the last row of a page, so that rows which come later shift nothing. */
export function writeCursor({ at, name }: PagePosition): string {
  return Buffer.from(`${at.getTime()} ${name}`).toString('base64url');
}

/**
 * @param names what the list calls its rows
 * @throws {AppError} `invalid_request` for a cursor that we did not give
 */
export function readCursor(cursor: string | undefined, names = anyName): PagePosition | undefined {
  if (cursor === undefined) return undefined;
  const [, time, name = ''] = /^(\d{1,15}) (.*)$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (time !== undefined && names.test(name)) return { at: new Date(Number(time)), name };
  throw new AppError('invalid_request', 'cursor: expected `next` of the page before.');
}

/**
 * A page, and the cursor of the next; null on the last.
 *
 * @param rows one more than asked for, if there are that many: so it is known whether there is another page
 */
export function pageOf<Row>(rows: readonly Row[], limit: number, positionOf: (row: Row) => PagePosition) {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { shown, next: rows.length > limit && last !== undefined ? writeCursor(positionOf(last)) : null };
}
