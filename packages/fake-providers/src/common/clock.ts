/** Where a fake takes the time from. Any object with this method will do, such as a test's clock that stands still. */
export interface Clock {
  now(): Date;
}

/** The machine's. */
export const systemClock: Clock = { now: () => new Date() };
