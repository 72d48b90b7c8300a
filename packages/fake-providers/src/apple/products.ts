/** A subscription as App Store Connect describes it. */
export interface Product {
  readonly id: string;
  /** An Apple Account has at most one subscription in a group at a time. */
  readonly group: string;
  /** The rank in the group: 1 is the highest. An upgrade takes effect at once. */
  readonly level: number;
  readonly period: 'P1W' | 'P1M' | 'P1Y';
  /** In thousandths of the currency: 4.99 is 4990. https://developer.apple.com/documentation/appstoreserverapi/price */
  readonly price: number;
  readonly currency: string;
  /** Days of the free trial, for an account that never subscribed in this group. */
  readonly trialDays?: number;
}

/**
 * The end of a period, in Unix milliseconds. In a month without the start's day, it is the last day; the next period then
 * counts from that day.
 */
export function periodAfter(from: number, period: Product['period']): number {
  if (period === 'P1W') return from + 7 * 86_400_000;
  const start = new Date(from);
  const months = start.getUTCMonth() + (period === 'P1Y' ? 12 : 1);
  const lastDay = new Date(Date.UTC(start.getUTCFullYear(), months + 1, 0)).getUTCDate();
  return Date.UTC(start.getUTCFullYear(), months, Math.min(start.getUTCDate(), lastDay)) + (from % 86_400_000);
}
