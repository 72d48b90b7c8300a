import { missing } from '../errors.js';
import { type Listing, type Range } from './params.js';

interface Row {
  readonly id: string;
  readonly created: number;
}

export interface List<T> {
  readonly object: 'list';
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly url: string;
}

/** @param rows oldest first. @returns a page with the newest first, like all Stripe lists. https://docs.stripe.com/api/pagination */
export function page<T extends Row>(rows: readonly T[], url: string, listing: Listing): List<T> {
  const { created, limit, starting_after: after, ending_before: before } = listing;
  const all = rows.filter((row) => !created || isWithin(row.created, created)).reverse();
  if (before !== undefined) {
    const end = placeOf(all, before, 'ending_before');
    const start = Math.max(0, end - limit);
    return { object: 'list', data: all.slice(start, end), has_more: start > 0, url };
  }
  const start = after === undefined ? 0 : placeOf(all, after, 'starting_after') + 1;
  return { object: 'list', data: all.slice(start, start + limit), has_more: start + limit < all.length, url };
}

export function isWithin(time: number, { gt, gte, lt, lte }: Range): boolean {
  return (
    (gt === undefined || time > gt) &&
    (gte === undefined || time >= gte) &&
    (lt === undefined || time < lt) &&
    (lte === undefined || time <= lte)
  );
}

function placeOf(rows: readonly Row[], id: string, param: string): number {
  const place = rows.findIndex((row) => row.id === id);
  if (place === -1) throw missing('object', id, param);
  return place;
}
