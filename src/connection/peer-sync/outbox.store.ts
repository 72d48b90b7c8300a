import { Injectable } from '@nestjs/common';
import { type DnsBlocking, NetworkPrisma } from '../../prisma/network/index.js';
import { type Placement } from '../connection.js';
import { asTombstone, liveColumns } from '../connection-columns.js';

type Bytes = Buffer<ArrayBuffer>;

/** A connection with the columns that its node needs. */
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
 * Pending and ending rows are the outbox: they are exactly what nodes have still to apply. A row leaves the outbox only when
 * its node acknowledges it or when the connection expires. So an event that is lost is sent again.
 */
@Injectable()
export class OutboxStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /**
   * What these nodes have still to apply, at most `maxOfEach` rows for each node: a node with tens of thousands of peers to
   * remove gets the next rows after it has acknowledged the first. Peers to add come first, because clients wait for them.
   * A retired node only gets removals.
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

  /** The peers that a node must have, ordered by slot, starting after `afterSlot`; empty for a retired node. */
  async peersOf(nodeId: string, now: Date, afterSlot: number, limit: number): Promise<PeerRow[]> {
    return this.prisma.$queryRaw<PeerRow[]>`
      SELECT ${liveColumns}
      FROM "Connection" c JOIN "Node" n ON n.id = c.node_id AND n.status <> 'retired'
      WHERE c.node_id = ${nodeId}::uuid AND c.slot > ${afterSlot} AND c.status IN ('pending', 'active')
        AND c.expires_at > ${now}
      ORDER BY c.slot LIMIT ${limit}`;
  }

  /**
   * Sets placements to active after their node has installed them. It affects only pending placements of this node with this
   * revision, so exactly one of several racing transitions wins. A retired node cannot acknowledge.
   *
   * @returns the placements that this call made active
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

  /** Returns those of these placements that are active. */
  async findActive(placements: readonly Placement[]): Promise<Placement[]> {
    return this.prisma.$queryRaw<Placement[]>`
      SELECT c.id, c.revision FROM "Connection" c
      JOIN unnest(${ids(placements)}::uuid[], ${revisions(placements)}::int[]) AS w(id, revision)
        ON c.id = w.id AND c.revision = w.revision
      WHERE c.status = 'active'`;
  }

  /** Turns ending connections into tombstones after their node has removed the peers. */
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
