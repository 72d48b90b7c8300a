import { type DriverPeer } from '../peer-driver.js';

/** A peer as `wg show <interface> dump` tells it, but for what its endpoint is and its traffic, which are not even read. */
export interface DumpedPeer extends DriverPeer {
  /** Whether the interface remembers where it was heard from. */
  readonly hasEndpoint: boolean;
  /** Unix seconds; 0 when there was none. */
  readonly latestHandshake: number;
}

/** The key of a peer without a preshared key, so that it differs from every peer that should be there. */
const none = '(none)';

/** The first line is the interface's own, with its private key: it is skipped. */
export function parseDump(text: string): DumpedPeer[] {
  const lines = text.trimEnd().split('\n').slice(1);
  return lines.map((line) => {
    const [publicKey = '', presharedKey = '', endpoint = none, allowedIps = none, latestHandshake = '0'] =
      line.split('\t');
    return {
      publicKey,
      presharedKey,
      allowedIps: allowedIps === none ? [] : allowedIps.split(','),
      hasEndpoint: endpoint !== none,
      latestHandshake: Number(latestHandshake),
    };
  });
}

/** Peers as `wg addconf` reads them. An existing peer's allowed IPs are replaced; its session goes on. */
export function peerSections(peers: readonly DriverPeer[]): string {
  return peers.map(section).join('\n');
}

function section({ publicKey, presharedKey, allowedIps }: DriverPeer): string {
  return [
    '[Peer]',
    `PublicKey = ${publicKey}`,
    ...(presharedKey === none ? [] : [`PresharedKey = ${presharedKey}`]),
    `AllowedIPs = ${allowedIps.join(', ')}`,
    '',
  ].join('\n');
}
