/*
 * When tokens are drawn. The issuer sees every draw, so a draw must tell nothing: the same number every UTC day, whose key the
 * tokens are of, at a moment drawn at random beforehand and kept, whatever was used.
 *
 * A device that was off at the moment draws later that day, once, at random again but soon: people who only ever look into an
 * app for minutes would else never draw by plan, and always when they connect.
 */

/** When the tokens of a day are drawn; `at` in Unix milliseconds. */
export interface PlannedPrefetch {
  /** Days since 1970-01-01 UTC. */
  readonly day: number;
  readonly at: number;
  /** The first moment was missed. */
  readonly late?: true;
}

const minute = 60_000;
const hour = 60 * minute;
const dayMs = 24 * hour;

/** After midnight the new key's crowd is small; before it, the day's end is near. */
const quietStartMs = 30 * minute;
const quietEndMs = 15 * minute;
/** More than the hour between two looks of a timer. */
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

/** What the plan says now: draw, or when. A wallet without a plan is new and empty, and draws at once. */
export function nextPrefetch(planned: PlannedPrefetch | undefined, now: number, random: number): NextPrefetch {
  const today = dayOf(now);
  if (planned === undefined) return { due: true, plan: { day: today, at: now } };
  // The clock was ahead when this was planned.
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

/** After today's draw: tomorrow's. */
export function planAfter({ day }: PlannedPrefetch, random: number): PlannedPrefetch {
  return planPrefetch(day + 1, random);
}
