/**
 * One issuer key per UTC day (epoch). A key already signs a little before its day, for clients whose clocks run ahead, and a
 * little after it, for clients that blinded a token just before midnight. Tokens are valid for at least 24 h, and expire with
 * their key. So a token needs no date of its own, which would make it distinguishable.
 */
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** How long before its epoch a key already signs. */
const earlyMs = 2 * minute;
/** How long after its epoch a key still signs. */
const lateMs = 10 * minute;
/** How long tokens are accepted after their key has stopped signing. */
export const graceMs = day;

/** Days since 1970-01-01 UTC. */
export type Epoch = number;

export interface EpochTimes {
  /** Midnight at which the epoch starts: from this time on, clients use its key. */
  readonly notBefore: Date;
  readonly signFrom: Date;
  readonly signUntil: Date;
  readonly verifyUntil: Date;
}

export function epochOf(now: Date): Epoch {
  return Math.floor(now.getTime() / day);
}

export function epochTimes(epoch: Epoch): EpochTimes {
  const start = epoch * day;
  const signUntil = start + day + lateMs;
  return {
    notBefore: new Date(start),
    signFrom: new Date(start - earlyMs),
    signUntil: new Date(signUntil),
    verifyUntil: new Date(signUntil + graceMs),
  };
}

/** The epoch of a key that signs from `signFrom`, which is on the day before the epoch. */
export function epochSigningFrom(signFrom: Date): Epoch {
  return epochOf(new Date(signFrom.getTime() + earlyMs));
}
