import { randomInt } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { NetworkPrisma } from '../prisma/network/index.js';
import { type KnownConnection, type LiveConnection, type WantedConnection } from './connection.js';
import { allColumns, liveColumns } from './connection-columns.js';
import { drawSlots } from './slots.js';

/**
 * Gives connections their places and takes them back while they are still pending. Transitions race with the node's
 * acknowledgement and with each other, so each is one statement and exactly one wins; unique indices on (node, slot), on
 * the public key and on the id are the only counters and the only locks.
 */
@Injectable()
export class AllocationStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /**
   * Takes one of 32 random slots of a node. Undefined when none was free, or when the id or the public key has a row
   * already: `find` tells which. (A second SELECT inside the same statement would share its snapshot and miss the row that
   * won the race.)
   */
  async allocate(wanted: WantedConnection, nodeId: string, capacity: number): Promise<LiveConnection | undefined> {
    const { id, keyId, publicKey, salt, secretKeyId, secretHash, dnsBlocking, startedOn, expiresAt } = wanted;
    // Random, so that a late acknowledgement of a placement that was taken back does not confirm the next one.
    const revision = randomInt(1, 2 ** 30);
    const [row] = await this.prisma.$queryRaw<{ slot: number }[]>`
      INSERT INTO "Connection" (${allColumns})
      SELECT ${id}::uuid, ${keyId}, 'pending', ${revision}, ${nodeId}::uuid, s, ${publicKey}, ${salt}, ${secretKeyId}, ${secretHash},
             ${dnsBlocking}::"DnsBlocking", ${startedOn}::date, ${expiresAt}
      FROM unnest(${drawSlots(capacity)}::int[]) WITH ORDINALITY AS drawn(s, o) ORDER BY o
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

  /** What stands in the way: the row of this id, else the row of this public key. */
  async find(id: string, publicKey: Uint8Array): Promise<KnownConnection | undefined> {
    const [row] = await this.prisma.$queryRaw<KnownConnection[]>`
      SELECT ${liveColumns} FROM "Connection" c
      WHERE c.id = ${id}::uuid OR c.public_key = ${Buffer.from(publicKey)}
      ORDER BY (c.id = ${id}::uuid) DESC LIMIT 1`;
    return row && withBuffers(row);
  }

  /**
   * Moves a pending connection to another node, with a new salt and the next revision. Undefined when it was not pending
   * there any more, and also when the other node was full: then the row is gone, and `find` finds nothing.
   */
  async move(
    from: LiveConnection,
    nodeId: string,
    capacity: number,
    salt: Buffer<ArrayBuffer>,
  ): Promise<LiveConnection | undefined> {
    const [row] = await this.prisma.$queryRaw<{ slot: number; revision: number }[]>`
      WITH gone AS (
        DELETE FROM "Connection"
        WHERE id = ${from.id}::uuid AND node_id = ${from.nodeId}::uuid AND revision = ${from.revision} AND status = 'pending'
        RETURNING *
      )
      INSERT INTO "Connection" (${allColumns})
      SELECT g.id, g.key_id, 'pending', g.revision + 1, ${nodeId}::uuid, s, g.public_key, ${salt}, g.secret_key_id,
             g.secret_hash, g.dns_blocking, g.started_on, g.expires_at
      FROM gone g, unnest(${drawSlots(capacity)}::int[]) WITH ORDINALITY AS drawn(s, o) ORDER BY o
      ON CONFLICT DO NOTHING RETURNING slot, revision`;
    return row && { ...from, nodeId, slot: row.slot, revision: row.revision, salt };
  }

  /** Takes a pending connection back as if it had never been. False when it was not pending there any more. */
  async release({ id, nodeId, revision }: LiveConnection): Promise<boolean> {
    const gone = await this.prisma.$executeRaw`
      DELETE FROM "Connection"
      WHERE id = ${id}::uuid AND node_id = ${nodeId}::uuid AND revision = ${revision} AND status = 'pending'`;
    return gone === 1;
  }
}

/** The driver gives bytes as Uint8Array; the rest of the code compares and encodes Buffers. */
function withBuffers(row: KnownConnection): KnownConnection {
  if (row.status === 'ended') return { id: row.id, status: 'ended' };
  const { publicKey, salt, secretKeyId } = row;
  return { ...row, publicKey: Buffer.from(publicKey), salt: Buffer.from(salt), secretKeyId: Buffer.from(secretKeyId) };
}
