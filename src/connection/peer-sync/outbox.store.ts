import { Injectable } from '@nestjs/common';
import { type DnsBlocking, NetworkPrisma } from '../../prisma/network/index.js';
import { type Placement } from '../connection.js';
import { asTombstone, liveColumns } from '../connection-columns.js';

type Bytes = Buffer<ArrayBuffer>;

/** What a node has to know of one connection. */
export interface PeerRow extends Placement {
  readonly nodeId: string;
  readonly status: 'pending' | 'active' | 'ending';
  readonly slot: number;
  readonly publicKey: Bytes;
  readonly salt: Bytes;
  readonly secretKeyId: Bytes;
  readonly dnsBlocking: DnsBlocking;
  readonly expiresAt: Date;
}

/**
 * Pending and ending rows are the outbox: the truth of what a node has still to apply. They leave it by the node's
 * acknowledgement alone (or when their time is over), so whatever is lost on the way is said again.
 */
@Injectable()
export class OutboxStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /**
   * What these nodes have still to apply, at most so much for each: a node with tens of thousands of peers to remove hears
   * of the next as it acknowledges the first. What is to be added, and somebody waits for, comes first. A retired node only
   * removes.
   */
  async outstanding(nodeIds: readonly string[], now: Date, maxOfEach: number): Promise<PeerRow[]> {
    return this.prisma.$queryRaw<PeerRow[]>`
      SELECT peer.* FROM "Node" n CROSS JOIN LATERAL (
        SELECT ${liveColumns} FROM "Connection" c
        WHERE c.node_id = n.id AND c.status IN ('pending', 'ending') AND c.expires_at > ${now}
          AND (c.status = 'ending' OR n.status <> 'retired')
        ORDER BY c.status LIMIT ${maxOfEach}
      ) peer WHERE n.id = ANY(${nodeIds}::uuid[])`;
  }

  /** What a node shall have, in the order of slots, from after one of them; none for a retired node. */
  async peersOf(nodeId: string, now: Date, afterSlot: number, most: number): Promise<PeerRow[]> {
    return this.prisma.$queryRaw<PeerRow[]>`
      SELECT ${liveColumns}
      FROM "Connection" c JOIN "Node" n ON n.id = c.node_id AND n.status <> 'retired'
      WHERE c.node_id = ${nodeId}::uuid AND c.slot > ${afterSlot} AND c.status IN ('pending', 'active')
        AND c.expires_at > ${now}
      ORDER BY c.slot LIMIT ${most}`;
  }

  /**
   * The node has these peers. Only its own, only this placement, only once: exactly one of racing transitions wins. A
   * retired node confirms nothing.
   */
  async acknowledgeAdded(nodeId: string, placements: readonly Placement[]): Promise<Placement[]> {
    if (placements.length === 0) return [];
    return this.prisma.$queryRaw<Placement[]>`
      UPDATE "Connection" c SET status = 'active'
      FROM unnest(${ids(placements)}::uuid[], ${revisions(placements)}::int[]) AS a(id, revision), "Node" n
      WHERE c.id = a.id AND c.revision = a.revision AND c.node_id = ${nodeId}::uuid AND c.status = 'pending'
        AND n.id = c.node_id AND n.status <> 'retired'
      RETURNING c.id, c.revision`;
  }

  /** Which of these placements are active by now. */
  async activeOf(placements: readonly Placement[]): Promise<Placement[]> {
    return this.prisma.$queryRaw<Placement[]>`
      SELECT c.id, c.revision FROM "Connection" c
      JOIN unnest(${ids(placements)}::uuid[], ${revisions(placements)}::int[]) AS w(id, revision)
        ON c.id = w.id AND c.revision = w.revision
      WHERE c.status = 'active'`;
  }

  /** The node has dropped these peers: what is left of them is the tombstone. */
  async acknowledgeRemoved(nodeId: string, placements: readonly Placement[]): Promise<number> {
    if (placements.length === 0) return 0;
    return this.prisma.$executeRaw`
      UPDATE "Connection" c SET ${asTombstone}
      FROM unnest(${ids(placements)}::uuid[], ${revisions(placements)}::int[]) AS a(id, revision)
      WHERE c.id = a.id AND c.revision = a.revision AND c.node_id = ${nodeId}::uuid AND c.status = 'ending'`;
  }
}

const ids = (placements: readonly Placement[]) => placements.map(({ id }) => id);
const revisions = (placements: readonly Placement[]) => placements.map(({ revision }) => revision);
