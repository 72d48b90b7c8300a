import { Injectable } from '@nestjs/common';
import { type ConnectionStatus, NetworkPrisma } from '../prisma/network/index.js';

/** What the holder of a connection's secret may see. */
export interface ConnectionView {
  readonly id: string;
  readonly status: Exclude<ConnectionStatus, 'ended'>;
  readonly nodeId: string;
  readonly expiresAt: Date;
}

/** How connections end, and what of them is kept. */
@Injectable()
export class LifecycleStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  async bySecret(secretHash: Uint8Array): Promise<ConnectionView | undefined> {
    const [row] = await this.prisma.$queryRaw<ConnectionView[]>`
      SELECT id, status::text AS status, node_id AS "nodeId", expires_at AS "expiresAt"
      FROM "Connection" WHERE secret_hash = ${Buffer.from(secretHash)}`;
    return row;
  }

  /**
   * Begins the end of a connection, pending or active; one that is ending already is left as it is.
   *
   * @returns its node, which has to drop the peer; undefined when no live connection has this secret
   */
  async disconnect(secretHash: Uint8Array): Promise<string | undefined> {
    const [row] = await this.prisma.$queryRaw<{ nodeId: string }[]>`
      UPDATE "Connection" SET status = 'ending' WHERE secret_hash = ${Buffer.from(secretHash)}
      RETURNING node_id AS "nodeId"`;
    return row?.nodeId;
  }

  /** Ends what has reached its hour. The node drops the peer by its own clock; at most so many rows at a time. */
  async expire(now: Date, most: number): Promise<number> {
    return this.prisma.$executeRaw`
      UPDATE "Connection"
      SET status = 'ended', node_id = NULL, slot = NULL, public_key = NULL, salt = NULL, secret_key_id = NULL,
          secret_hash = NULL, dns_blocking = NULL, started_on = NULL, expires_at = NULL
      WHERE id IN (
        SELECT id FROM "Connection" WHERE expires_at <= ${now} AND status <> 'ended' LIMIT ${most} FOR UPDATE SKIP LOCKED
      )`;
  }

  /** Begins the end of what lost nodes were serving. A pending connection can still move when its client asks again. */
  async endOnLostNodes(nodeIds: readonly string[]): Promise<number> {
    if (nodeIds.length === 0) return 0;
    return this.prisma.$executeRaw`
      UPDATE "Connection" SET status = 'ending' WHERE node_id = ANY(${nodeIds}::uuid[]) AND status = 'active'`;
  }

  /** Begins the end of what retired nodes serve. */
  async endOnRetiredNodes(): Promise<string[]> {
    const rows = await this.prisma.$queryRaw<{ nodeId: string }[]>`
      UPDATE "Connection" c SET status = 'ending' FROM "Node" n
      WHERE n.status = 'retired' AND c.node_id = n.id AND c.status = 'active'
      RETURNING c.node_id AS "nodeId"`;
    return [...new Set(rows.map(({ nodeId }) => nodeId))];
  }

  /**
   * Drops tombstones whose key stopped verifying two hours ago, by the database's clock: a service whose clock runs ahead
   * must not forget a token that another still accepts.
   */
  async purge(): Promise<number> {
    return this.prisma.$executeRaw`
      DELETE FROM "Connection" c USING "VerifierKey" k
      WHERE c.status = 'ended' AND c.key_id = k.key_id AND k.verify_until + interval '2 hours' < now()`;
  }

  /** How many live connections each node has; a pass over one index. */
  async liveByNode(): Promise<Map<string, number>> {
    const rows = await this.prisma.$queryRaw<{ nodeId: string; count: number }[]>`
      SELECT node_id AS "nodeId", count(*)::int AS count FROM "Connection" WHERE node_id IS NOT NULL GROUP BY node_id`;
    return new Map(rows.map(({ nodeId, count }) => [nodeId, count]));
  }
}
