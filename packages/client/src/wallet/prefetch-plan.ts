/*
 * When tokens are prefetched. The issuer sees every prefetch, so it must not reveal usage: the client fetches the same number of
 * tokens every UTC day (each day has its own key), at a random time that was chosen and stored beforehand.
 *
 * A device that was off at that time prefetches later, once, at a new random time within two hours. Otherwise an app that only
 * ever runs for minutes would never prefetch by plan, but always when its user connects.
 */

/** When the tokens of a day are prefetched. `at` is in Unix milliseconds. */
export interface PlannedPrefetch {
  /** Days since 1970-01-01 UTC. */
  readonly day: number;
  readonly at: number;
  /** The first planned time was missed. */
  readonly late?: true;
}

const minute = 60_000;
const hour = 60 * minute;
const dayMs = 24 * hour;

/** Just after midnight, the new key's anonymity set is still small; just before midnight, its day is almost over. */
const quietStartMs = 30 * minute;
const quietEndMs = 15 * minute;
/** Longer than an hour, so that a timer that checks every hour does not miss the planned time. */
const missedAfterMs = 90 * minute;
const lateWithinMs = 2 * hour;

/** @param random from 0 up to 1 */
export function planPrefetch(day: number, random: number, from = 0): PlannedPrefetch {
  const start = Math.max(day * dayMs + quietStartMs, from);
  const end = Math.max((day + 1) * dayMs - quietEndMs, start);
  return { day, at: Math.floor(start + (end - start) * random) };
}

export function dayOf(now: number): number {
  return Math.floor(now / dayMs);
}

/** Whether a prefetch is due, and the plan from now on. A wallet without a plan is new, so its first prefetch is due at once. */
export function nextPrefetch(planned: PlannedPrefetch | undefined, now: number, random: number): NextPrefetch {
  const today = dayOf(now);
  if (planned === undefined) return { due: true, plan: { day: today, at: now } };
  // The device's clock was ahead when this was planned.
  if (planned.day > today + 1) return { due: false, plan: planPrefetch(today, random, now) };
  if (now < planned.at) return { due: false, plan: planned };
  const missed = planned.day < today || now >= planned.at + missedAfterMs;
  if (!missed || planned.late === true) return { due: true, plan: { ...planned, day: today } };
  const end = (today + 1) * dayMs - quietEndMs;
  const at = Math.floor(now + Math.max(0, Math.min(lateWithinMs, end - now)) * random);
  return { due: false, plan: { day: today, at, late: true } };
}

export interface NextPrefetch {
  readonly due: boolean;
  readonly plan: PlannedPrefetch;
}

/** The plan for the day after a prefetch. */
export function planAfter({ day }: PlannedPrefetch, random: number): PlannedPrefetch {
  return planPrefetch(day + 1, random);
}
