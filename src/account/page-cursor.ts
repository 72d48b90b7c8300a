import { AppError } from '../platform/errors/index.js';

/** Where a page begins: after what happened then, and of that moment after this name. */
export interface Position {
  readonly at: Date;
  readonly name: string;
}

/** Opaque to clients: the last row of a page, so that rows which come later shift nothing. */
export function writeCursor({ at, name }: Position): string {
  return Buffer.from(`${at.getTime()} ${name}`).toString('base64url');
}

/** @throws {AppError} `invalid_request` for a cursor that we did not give */
export function readCursor(cursor: string | undefined): Position | undefined {
  if (cursor === undefined) return undefined;
  const [, time, name] = /^(\d{1,15}) ([0-9a-z:-]{1,60})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (time !== undefined && name !== undefined) return { at: new Date(Number(time)), name };
  throw new AppError('invalid_request', 'cursor: expected `next` of the page before.');
}
