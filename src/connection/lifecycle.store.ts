import { Injectable } from '@nestjs/common';
import { type ConnectionStatus, NetworkPrisma } from '../prisma/network/index.js';
import { asTombstone } from './connection-columns.js';

/** What the holder of a connection's secret may see. */
export interface ConnectionView {
  readonly id: string;
  readonly status: Exclude<ConnectionStatus, 'ended'>;
  readonly locationId: string;
  readonly expiresAt: Date;
}

/** How connections end, and what of them is kept. */
@Injectable()
export class LifecycleStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /** Undefined when no connection has this secret, or when its hour has come and nobody has swept it up yet. */
  async bySecret(secretHash: Uint8Array, now: Date): Promise<ConnectionView | undefined> {
    const [row] = await this.prisma.$queryRaw<ConnectionView[]>`
      SELECT c.id, c.status::text AS status, n.location_id AS "locationId", c.expires_at AS "expiresAt"
      FROM "Connection" c JOIN "Node" n ON n.id = c.node_id
      WHERE c.secret_hash = ${Buffer.from(secretHash)} AND c.expires_at > ${now}`;
    return row;
  }

  /**
   * Begins the end of a connection, pending or active; one that is ending already is left as it is.
   *
   * @returns its node, which has to drop the peer; undefined when no live connection has this secret
   */
  async disconnect(secretHash: Uint8Array, now: Date): Promise<string | undefined> {
    const [row] = await this.prisma.$queryRaw<{ nodeId: string }[]>`
      UPDATE "Connection" SET status = 'ending' WHERE secret_hash = ${Buffer.from(secretHash)} AND expires_at > ${now}
      RETURNING node_id AS "nodeId"`;
    return row?.nodeId;
  }

  /**
   * Ends what has reached its hour, at most so many rows at a time; the node drops the peer by its own clock. A pending
   * connection was never answered for, so it goes without a tombstone: its token may still be spent.
   *
   * @returns how many rows this was
   */
  async expire(now: Date, most: number): Promise<number> {
    const [count] = await this.prisma.$queryRaw<{ rows: number }[]>`
      WITH due AS MATERIALIZED (
        SELECT id, status FROM "Connection" WHERE expires_at <= ${now} AND status <> 'ended'
        LIMIT ${most} FOR UPDATE SKIP LOCKED
      ), released AS (
        DELETE FROM "Connection" c USING due d WHERE c.id = d.id AND d.status = 'pending'
      ), ended AS (
        UPDATE "Connection" c SET ${asTombstone}
        FROM due d WHERE c.id = d.id AND d.status <> 'pending'
      )
      SELECT count(*)::int AS rows FROM due`;
    return count?.rows ?? 0;
  }

  /**
   * Begins the end of what lost nodes were serving. What is still pending there was never answered for and goes as if it
   * had never been: its client's next attempt gets another node.
   *
   * @param unheardSince a node that has pulsed since then was lost when it was looked for, and is not any more
   * @returns how many connections this began to end
   */
  async endOnNodes(nodeIds: readonly string[], unheardSince: Date): Promise<number> {
    if (nodeIds.length === 0) return 0;
    return this.prisma.$executeRaw`
      WITH lost AS MATERIALIZED (
        SELECT id FROM "Node" WHERE id = ANY(${nodeIds}::uuid[]) AND last_pulse_at < ${unheardSince} FOR SHARE
      ), released AS (
        DELETE FROM "Connection" c USING lost WHERE c.node_id = lost.id AND c.status = 'pending'
      )
      UPDATE "Connection" c SET status = 'ending' FROM lost WHERE c.node_id = lost.id AND c.status = 'active'`;
  }

  /**
   * The same for nodes that an operator has retired.
   *
   * @returns the nodes that have peers to drop
   */
  async endOnRetiredNodes(): Promise<string[]> {
    const rows = await this.prisma.$queryRaw<{ nodeId: string }[]>`
      WITH retired AS (
        SELECT id FROM "Node" WHERE status = 'retired'
      ), released AS (
        DELETE FROM "Connection" c USING retired r WHERE c.node_id = r.id AND c.status = 'pending'
      ), ending AS (
        UPDATE "Connection" c SET status = 'ending' FROM retired r WHERE c.node_id = r.id AND c.status = 'active'
        RETURNING c.node_id
      )
      SELECT DISTINCT node_id AS "nodeId" FROM ending`;
    return rows.map(({ nodeId }) => nodeId);
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
