/** A subscription as App Store Connect describes it. */
export interface Product {
  readonly id: string;
  /** A person has one subscription of a group at a time. */
  readonly group: string;
  /** Its rank in the group: 1 is the highest, and moving up takes effect at once. */
  readonly level: number;
  readonly period: 'P1W' | 'P1M' | 'P1Y';
  /** In thousandths of the currency: 4.99 is 4990. https://developer.apple.com/documentation/appstoreserverapi/price */
  readonly price: number;
  readonly currency: string;
  /** Days of a free trial, for who never subscribed in this group. */
  readonly trialDays?: number;
}

/** A month that is too short ends on its last day; the next one counts from there. Unix milliseconds. */
export function periodAfter(from: number, period: Product['period']): number {
  if (period === 'P1W') return from + 7 * 86_400_000;
  const start = new Date(from);
  const months = start.getUTCMonth() + (period === 'P1Y' ? 12 : 1);
  const lastDay = new Date(Date.UTC(start.getUTCFullYear(), months + 1, 0)).getUTCDate();
  return Date.UTC(start.getUTCFullYear(), months, Math.min(start.getUTCDate(), lastDay)) + (from % 86_400_000);
}
