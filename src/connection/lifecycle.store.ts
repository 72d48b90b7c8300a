import { Injectable } from '@nestjs/common';
import { type ConnectionStatus, NetworkPrisma } from '../prisma/network/index.js';
import { asTombstone } from './connection-columns.js';

/** What a client can read with its connection secret. */
export interface ConnectionView {
  readonly id: string;
  readonly status: Exclude<ConnectionStatus, 'ended'>;
  readonly locationId: string;
  readonly expiresAt: Date;
}

/** Ends connections, and keeps their tombstones until the token can no longer be spent. */
@Injectable()
export class LifecycleStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /** Undefined when no connection has this secret, or when it has expired, even if `expire` has not run yet. */
  async findBySecret(secretHash: Uint8Array, now: Date): Promise<ConnectionView | undefined> {
    const [row] = await this.prisma.$queryRaw<ConnectionView[]>`
      SELECT c.id, c.status::text AS status, n.location_id AS "locationId", c.expires_at AS "expiresAt"
      FROM "Connection" c JOIN "Node" n ON n.id = c.node_id
      WHERE c.secret_hash = ${Buffer.from(secretHash)} AND c.expires_at > ${now}`;
    return row;
  }

  /**
   * Sets a pending or active connection to `ending`; one that is already ending stays as it is.
   *
   * @returns the id of its node, which must remove the peer; undefined when no live connection has this secret
   */
  async disconnect(secretHash: Uint8Array, now: Date): Promise<string | undefined> {
    const [row] = await this.prisma.$queryRaw<{ nodeId: string }[]>`
      UPDATE "Connection" SET status = 'ending' WHERE secret_hash = ${Buffer.from(secretHash)} AND expires_at > ${now}
      RETURNING node_id AS "nodeId"`;
    return row?.nodeId;
  }

  /**
   * Ends connections that have expired, at most `limit` rows; the node removes the peer by its own clock. A pending
   * connection was never returned to a client, so it is deleted without a tombstone: its token may still be spent.
   *
   * @returns how many rows it ended or deleted
   */
  async expire(now: Date, limit: number): Promise<number> {
    const [count] = await this.prisma.$queryRaw<{ rows: number }[]>`
      WITH due AS MATERIALIZED (
        SELECT id, status FROM "Connection" WHERE expires_at <= ${now} AND status <> 'ended'
        LIMIT ${limit} FOR UPDATE SKIP LOCKED
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
   * Sets the active connections of lost nodes to `ending`. Pending ones were never returned to a client, so they are deleted:
   * the client's next attempt gets another node.
   *
   * @param silentSince a node that has pulsed since then is back, so its connections stay
   * @returns how many connections it set to `ending`
   */
  async endOnNodes(nodeIds: readonly string[], silentSince: Date): Promise<number> {
    if (nodeIds.length === 0) return 0;
    return this.prisma.$executeRaw`
      WITH lost AS MATERIALIZED (
        SELECT id FROM "Node" WHERE id = ANY(${nodeIds}::uuid[]) AND last_pulse_at < ${silentSince} FOR SHARE
      ), released AS (
        DELETE FROM "Connection" c USING lost WHERE c.node_id = lost.id AND c.status = 'pending'
      )
      UPDATE "Connection" c SET status = 'ending' FROM lost WHERE c.node_id = lost.id AND c.status = 'active'`;
  }

  /**
   * The same for nodes that the operator has retired.
   *
   * @returns the ids of nodes that must remove peers
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
   * Deletes tombstones whose issuer key expired two hours ago, by the database's clock: a replica whose clock runs ahead must
   * not delete the tombstone of a token that another replica still accepts.
   */
  async purge(): Promise<number> {
    return this.prisma.$executeRaw`
      DELETE FROM "Connection" c USING "VerifierKey" k
      WHERE c.status = 'ended' AND c.key_id = k.key_id AND k.verify_until + interval '2 hours' < now()`;
  }

  /** The number of live connections of each node; scans one index. */
  async liveByNode(): Promise<Map<string, number>> {
    const rows = await this.prisma.$queryRaw<{ nodeId: string; count: number }[]>`
      SELECT node_id AS "nodeId", count(*)::int AS count FROM "Connection" WHERE node_id IS NOT NULL GROUP BY node_id`;
    return new Map(rows.map(({ nodeId, count }) => [nodeId, count]));
  }
}
