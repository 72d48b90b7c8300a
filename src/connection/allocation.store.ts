import { randomInt } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { NetworkPrisma } from '../prisma/network/index.js';
import { type KnownConnection, type LiveConnection, type WantedConnection } from './connection.js';
import { allColumns, liveColumns } from './connection-columns.js';
import { randomSlots } from './slots.js';

/**
 * Allocates slots on nodes to connections, and moves or releases connections that are still pending. These transitions race
 * with the node's acknowledgement and with each other. So each is one statement, and exactly one wins. The unique indices on
 * (node, slot), on the public key and on the id are the only counters and the only locks.
 */
@Injectable()
export class AllocationStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /**
   * Inserts the connection into one of 32 random slots of a node. Undefined when all were taken, or when the id or the public
   * key already has a row: `find` returns that row. (A second SELECT inside the same statement would share its snapshot and
   * miss the row that won the race.)
   */
  async allocate(wanted: WantedConnection, nodeId: string, capacity: number): Promise<LiveConnection | undefined> {
    const { id, keyId, publicKey, salt, secretKeyId, secretHash, dnsBlocking, startedOn, expiresAt } = wanted;
    // Random, so that a late acknowledgement of a released placement does not confirm the next one.
    const revision = randomInt(1, 2 ** 30);
    const [row] = await this.prisma.$queryRaw<{ slot: number }[]>`
      INSERT INTO "Connection" (${allColumns})
      SELECT ${id}::uuid, ${keyId}, 'pending', ${revision}, ${nodeId}::uuid, candidate.slot, ${publicKey}, ${salt},
             ${secretKeyId}, ${secretHash}, ${dnsBlocking}::"DnsBlocking", ${startedOn}::date, ${expiresAt}
      FROM unnest(${randomSlots(capacity)}::int[]) WITH ORDINALITY AS candidate(slot, position) ORDER BY candidate.position
      ON CONFLICT DO NOTHING RETURNING slot`;
    if (row === undefined) return undefined;
    return {
      id,
      status: 'pending',
      revision,
      nodeId,
      slot: row.slot,
      publicKey,
      salt,
      secretKeyId,
      dnsBlocking,
      expiresAt,
    };
  }

  /** The row that blocks an INSERT: the one with this id, else the one with this public key. */
  async find(id: string, publicKey: Uint8Array): Promise<KnownConnection | undefined> {
    const [row] = await this.prisma.$queryRaw<KnownConnection[]>`
      SELECT ${liveColumns} FROM "Connection" c
      WHERE c.id = ${id}::uuid OR c.public_key = ${Buffer.from(publicKey)}
      ORDER BY (c.id = ${id}::uuid) DESC LIMIT 1`;
    return row && withBuffers(row);
  }

  /**
   * Moves a pending connection to another node, with a new salt and the next revision. Undefined when this placement is no
   * longer pending, and also when the other node is full. In the second case the row is deleted, and `find` finds nothing.
   */
  async move(
    from: LiveConnection,
    nodeId: string,
    capacity: number,
    salt: Buffer<ArrayBuffer>,
  ): Promise<LiveConnection | undefined> {
    const [row] = await this.prisma.$queryRaw<{ slot: number; revision: number }[]>`
      WITH removed AS (
        DELETE FROM "Connection"
        WHERE id = ${from.id}::uuid AND node_id = ${from.nodeId}::uuid AND revision = ${from.revision} AND status = 'pending'
        RETURNING *
      )
      INSERT INTO "Connection" (${allColumns})
      SELECT r.id, r.key_id, 'pending', r.revision + 1, ${nodeId}::uuid, candidate.slot, r.public_key, ${salt},
             r.secret_key_id, r.secret_hash, r.dns_blocking, r.started_on, r.expires_at
      FROM removed r, unnest(${randomSlots(capacity)}::int[]) WITH ORDINALITY AS candidate(slot, position)
      ORDER BY candidate.position
      ON CONFLICT DO NOTHING RETURNING slot, revision`;
    return row && { ...from, nodeId, slot: row.slot, revision: row.revision, salt };
  }

  /** Deletes a pending connection, without a tombstone. False when this placement is no longer pending. */
  async release({ id, nodeId, revision }: LiveConnection): Promise<boolean> {
    const deleted = await this.prisma.$executeRaw`
      DELETE FROM "Connection"
      WHERE id = ${id}::uuid AND node_id = ${nodeId}::uuid AND revision = ${revision} AND status = 'pending'`;
    return deleted === 1;
  }
}

/** The driver returns bytes as Uint8Array, but the rest of the code compares and encodes Buffers. */
function withBuffers(row: KnownConnection): KnownConnection {
  if (row.status === 'ended') return { id: row.id, status: 'ended' };
  const { publicKey, salt, secretKeyId } = row;
  return { ...row, publicKey: Buffer.from(publicKey), salt: Buffer.from(salt), secretKeyId: Buffer.from(secretKeyId) };
}
