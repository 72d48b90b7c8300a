import { z } from 'zod';
import { encodeWireguardKey, slotAddresses } from '../../nodes/index.js';
import { type PeerRow } from './outbox.store.js';

const placement = z.strictObject({
  connection_id: z.uuid({ error: 'expected the UUID of a connection' }),
  revision: z
    .int()
    .min(1)
    .max(2 ** 31 - 1),
});

const maxPlacements = 5_000;

export const acknowledgements = z.strictObject({
  added: z.array(placement).max(maxPlacements).default([]).describe('Peers that the node has installed.'),
  removed: z
    .array(placement)
    .max(maxPlacements)
    .default([])
    .describe('Peers that the node no longer has, including peers that it never had.'),
});

export const acknowledged = z.strictObject({
  added: z.int().describe('How many connections became active with this request.'),
  removed: z.int().describe('How many connections ended with this request.'),
});

export const peer = z.strictObject({
  connection_id: z.uuid(),
  revision: z.int(),
  status: z.enum(['pending', 'active']).describe('The node must acknowledge a pending peer.'),
  public_key: z.string(),
  preshared_key: z.string(),
  allowed_ips: z.array(z.string()),
  dns_blocking: z.enum(['none', 'ads', 'ads_trackers_malware']),
  expires_at: z.string(),
});

export const peerList = z.strictObject({
  peers: z.array(peer),
  complete: z
    .boolean()
    .describe('True: remove every peer that is not in the list. False: the list lacks some peers, so remove none.'),
});

export type Acknowledgements = z.output<typeof acknowledgements>;

/** A peer to install, in the format of the node protocol. */
export function describePeer(row: PeerRow, presharedKey: Uint8Array): z.output<typeof peer> {
  return {
    connection_id: row.id,
    revision: row.revision,
    status: row.status === 'active' ? 'active' : 'pending',
    public_key: encodeWireguardKey(row.publicKey),
    preshared_key: encodeWireguardKey(presharedKey),
    allowed_ips: slotAddresses(row.slot),
    dns_blocking: row.dnsBlocking,
    expires_at: row.expiresAt.toISOString(),
  };
}

/** A peer to remove, in the format of the node protocol. */
export function describeRemoval(row: PeerRow) {
  return { connection_id: row.id, revision: row.revision, public_key: encodeWireguardKey(row.publicKey) };
}
