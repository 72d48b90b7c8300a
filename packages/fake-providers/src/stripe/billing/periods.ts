/** A price recurs every `count` intervals. */
export interface Recurrence {
  readonly interval: 'day' | 'week' | 'month' | 'year';
  readonly count: number;
}

const secondsOf = { day: 86_400, week: 7 * 86_400 } as const;

/**
 * The time `n` recurrences after the anchor, in Unix seconds. A month without the anchor's day uses its last day, and the next
 * month the anchor's day again: 31 January, 28 February, 31 March. https://docs.stripe.com/billing/subscriptions/billing-cycle
 */
export function recurrence(anchor: number, { interval, count }: Recurrence, n: number): number {
  if (interval === 'day' || interval === 'week') return anchor + n * count * secondsOf[interval];
  const start = new Date(anchor * 1000);
  const months = start.getUTCMonth() + n * count * (interval === 'year' ? 12 : 1);
  const lastDay = new Date(Date.UTC(start.getUTCFullYear(), months + 1, 0)).getUTCDate();
  const timeOfDay = anchor % 86_400;
  const date = Date.UTC(start.getUTCFullYear(), months, Math.min(start.getUTCDate(), lastDay));
  return date / 1000 + timeOfDay;
}

/** The first recurrence of the anchor after `time`, in Unix seconds. */
export function periodEnd(anchor: number, every: Recurrence, time: number): number {
  for (let n = 0; ; n += 1) {
    const end = recurrence(anchor, every, n);
    if (end > time) return end;
  }
}
