import { type DriverPeer } from '../peer-driver.js';

/** A peer in the output of `wg show <interface> dump`. Its endpoint's address and its traffic are not read. */
export interface DumpedPeer extends DriverPeer {
  /** Whether the interface knows an endpoint of the peer. */
  readonly hasEndpoint: boolean;
  /** Unix seconds; 0 without a handshake. */
  readonly latestHandshake: number;
}

/** Also the preshared key of a peer without one, so that it differs from every wanted peer. */
const none = '(none)';

/** Skips the first line: it describes the interface and contains its private key. */
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

/** Peers as `wg addconf` reads them. It replaces an existing peer's allowed IPs and keeps its session. */
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
