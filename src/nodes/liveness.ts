/** How often a node sends a pulse. */
export const pulseSeconds = 10;

/** A node that is silent for longer gets no new connections. Allows for three lost pulses. */
export const unhealthySeconds = 30;

/** The connections of a node that is silent for longer are ended. */
export const lostSeconds = 600;

/** The row of a retired node that is silent for longer is deleted. */
export const retiredRetentionSeconds = 30 * 86_400;

/** Liveness of the fleet at one moment, without retired nodes. */
export interface FleetLiveness {
  readonly nodes: number;
  /** Nodes that have sent no pulse for longer than `unhealthySeconds`. */
  readonly silent: number;
}

const massSilenceShare = 0.2;
const minNodesForMassSilence = 3;

/**
 * Whether so many nodes are silent at once that the network to this service has probably failed, not the nodes. Then the nodes
 * still serve their users, so no connection may be ended. In a small fleet, one or two silent nodes are always a large share.
 * So a fleet of two counts only if both are silent, and a fleet of one never does.
 */
export function isMassSilence({ nodes, silent }: FleetLiveness): boolean {
  if (nodes > 1 && silent === nodes) return true;
  return silent >= minNodesForMassSilence && silent > massSilenceShare * nodes;
}
