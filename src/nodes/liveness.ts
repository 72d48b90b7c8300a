/** How often a node pulses. */
export const pulseSeconds = 10;

/** Silent for so long: no new connections. Three pulses may be lost. */
export const unhealthySeconds = 30;

/** Silent for so long: its connections end. */
export const lostSeconds = 600;

/** Retired and silent for so long: its row goes. */
export const forgottenSeconds = 30 * 86_400;

/** How the fleet is heard at one moment; retired nodes do not count. */
export interface FleetHearing {
  readonly nodes: number;
  /** Unheard for longer than `unhealthySeconds`. */
  readonly silent: number;
}

const massSilenceShare = 0.2;
const fewestForMassSilence = 3;

/**
 * When so many are silent at once it is the path to us that fails rather than the nodes, which then still carry their
 * people: nothing may be ended. In a fleet of a few, one or two silent nodes are always a large share, and just that, unless
 * nobody at all is heard.
 */
export function isMassSilence({ nodes, silent }: FleetHearing): boolean {
  if (nodes > 1 && silent === nodes) return true;
  return silent >= fewestForMassSilence && silent > massSilenceShare * nodes;
}
