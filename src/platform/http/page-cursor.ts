import { AppError } from '../errors/index.js';

/** A position in a list that is ordered by time: the next page begins after this row. */
export interface PagePosition {
  readonly at: Date;
  /** Distinguishes rows of the same time. */
  readonly name: string;
}

const anyName = /^[0-9a-z:-]{1,60}$/;

/** Encodes the last row of a page, so that new rows do not shift the next page. Opaque to clients. */
export function writeCursor({ at, name }: PagePosition): string {
  return Buffer.from(`${at.getTime()} ${name}`).toString('base64url');
}

/**
 * @param names pattern of the names of the list's rows
 * @throws {AppError} `invalid_request` for a cursor that `writeCursor` did not make
 */
export function readCursor(cursor: string | undefined, names = anyName): PagePosition | undefined {
  if (cursor === undefined) return undefined;
  const [, time, name = ''] = /^(\d{1,15}) (.*)$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (time !== undefined && names.test(name)) return { at: new Date(Number(time)), name };
  throw new AppError('invalid_request', 'cursor: expected the `next` of the previous page.');
}

/**
 * Cuts a page, and makes the cursor of the next one; null on the last page.
 *
 * @param rows up to `limit + 1` rows: the additional row shows that there is another page
 */
export function pageOf<Row>(rows: readonly Row[], limit: number, positionOf: (row: Row) => PagePosition) {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { shown, next: rows.length > limit && last !== undefined ? writeCursor(positionOf(last)) : null };
}
