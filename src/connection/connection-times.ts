const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** When a connection redeemed now expires: in 24 hours, rounded up to the hour, so that the row does not reveal the minute. */
export function expiryOf(now: Date): Date {
  return new Date(Math.ceil((now.getTime() + dayMs) / hourMs) * hourMs);
}

/** Midnight of the UTC day that contains `now`, for a date column. */
export function dayOf(now: Date): Date {
  return new Date(Math.floor(now.getTime() / dayMs) * dayMs);
}
