const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** When a connection redeemed now ends: 24 hours on, rounded up to the hour, so that the row does not tell the minute. */
export function expiryOf(now: Date): Date {
  return new Date(Math.ceil((now.getTime() + dayMs) / hourMs) * hourMs);
}

/** The UTC day of a moment, as a date column takes it. */
export function dayOf(now: Date): Date {
  return new Date(Math.floor(now.getTime() / dayMs) * dayMs);
}
