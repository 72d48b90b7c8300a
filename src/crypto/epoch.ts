/**
 * One issuer key per UTC day. A key signs a little before its day, for clients whose clocks are ahead, and a little after,
 * for those that blinded just before midnight. Its tokens are good for at least 24 h, and their end is the key's: the key
 * id alone carries it, so no token needs a date that would set it apart.
 */
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** How long before its epoch a key already signs. */
const earlyMs = 2 * minute;
/** How long after its epoch a key still signs. */
const lateMs = 10 * minute;
/** How long a token is good after its key has stopped signing. */
export const graceMs = day;

/** Days since 1970-01-01 UTC. */
export type Epoch = number;

export interface EpochTimes {
  /** The epoch's midnight: from here on clients choose its key. */
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

/** The epoch of a key that signs from `signFrom`, which lies on the day before. */
export function epochSigningFrom(signFrom: Date): Epoch {
  return epochOf(new Date(signFrom.getTime() + earlyMs));
}
