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

const most = 5_000;

export const acknowledgements = z.strictObject({
  added: z.array(placement).max(most).default([]).describe('Peers that are installed now.'),
  removed: z.array(placement).max(most).default([]).describe('Peers that are gone now, also if they were never there.'),
});

export const acknowledged = z.strictObject({
  added: z.int().describe('How many of them this made active.'),
  removed: z.int().describe('How many of them this ended.'),
});

export const peer = z.strictObject({
  connection_id: z.uuid(),
  revision: z.int(),
  status: z.enum(['pending', 'active']).describe('A pending peer is to be acknowledged.'),
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
    .describe('True: what is not in the list, the node shall not have. False: keep it, the list lacks some.'),
});

export type Acknowledgements = z.output<typeof acknowledgements>;

/** A peer to have, as the protocol says it. */
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

/** A peer to drop. */
export function describeRemoval(row: PeerRow) {
  return { connection_id: row.id, revision: row.revision, public_key: encodeWireguardKey(row.publicKey) };
}
