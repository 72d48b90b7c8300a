/** The clock of a fake. Tests pass their own, for example one that stands still. */
export interface Clock {
  now(): Date;
}

/** The machine's clock. */
export const systemClock: Clock = { now: () => new Date() };
