import { Injectable } from '@nestjs/common';
import { NetworkPrisma, type NodeStatus } from '../prisma/network/index.js';
import { type Hash } from './secret.js';

/** A lost reply may be asked for again for so long, with the token that made the node. */
const repeatMinutes = 10;

/** What a node says of itself. */
export interface NodeDescription {
  readonly publicKey: Buffer<ArrayBuffer>;
  readonly locationId: string;
  readonly ip: string;
  readonly ipV6: string | null;
  readonly port: number;
  readonly capacity: number;
  readonly agentVersion: string | null;
}

/** Why a registration was refused: whatever is true of the token and the key when it is asked. */
export interface Refusal {
  /** The token's location, while it exists. */
  readonly tokenLocation: string | null;
  readonly tokenExpired: boolean | null;
  /** Of the node with this key, when there is one. */
  readonly nodeLocation: string | null;
  readonly nodeStatus: NodeStatus | null;
  /** Whether the bearer is that node's own credential. */
  readonly ownCredential: boolean | null;
  /** Whether the bearer is the token that made it, less than ten minutes ago. */
  readonly repeat: boolean | null;
}

/** Each statement decides alone whether it may, so that racing registrations cannot both be right. */
@Injectable()
export class RegistrationStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /**
   * The node whose key and credential these are says anew what it is. The credential it showed is its current one from now
   * on, and `next` becomes that when it is first used: a lost reply locks nobody out.
   */
  async update(node: NodeDescription, credential: Hash, next: Hash, now: Date): Promise<string | undefined> {
    return idOf(
      await this.prisma.$queryRaw<{ id: string }[]>`
        UPDATE "Node"
        SET ip = ${node.ip}::inet, ip_v6 = ${node.ipV6}::inet, port = ${node.port}, capacity = ${node.capacity},
          agent_version = ${node.agentVersion}, last_pulse_at = ${now},
          status = CASE status WHEN 'unhealthy' THEN 'healthy' ELSE status END,
          credential_hash = ${credential}, next_credential_hash = ${next}
        WHERE public_key = ${node.publicKey} AND location_id = ${node.locationId} AND status <> 'retired'
          AND (credential_hash = ${credential} OR next_credential_hash = ${credential})
        RETURNING id`,
    );
  }

  /**
   * A new node, counted against the token. Whoever races for the last use waits for the token's row and then sees what is
   * left of it; whoever loses the race for the public key inserts nothing and so counts nothing.
   */
  async enrol(node: NodeDescription, token: Hash, credential: Hash, now: Date): Promise<string | undefined> {
    return idOf(
      await this.prisma.$queryRaw<{ id: string }[]>`
        WITH token AS MATERIALIZED (
          SELECT hash, location_id FROM "EnrolmentToken"
          WHERE hash = ${token} AND location_id = ${node.locationId} AND uses_left > 0 AND expires_at > ${now}
          FOR UPDATE
        ), enrolled AS (
          INSERT INTO "Node" (location_id, public_key, ip, ip_v6, port, capacity, agent_version, status, last_pulse_at,
                              credential_hash, enrolled_with, enrolled_at)
          SELECT location_id, ${node.publicKey}, ${node.ip}::inet, ${node.ipV6}::inet, ${node.port}, ${node.capacity},
                 ${node.agentVersion}, 'healthy', ${now}, ${credential}, hash, ${now}
          FROM token
          ON CONFLICT (public_key) DO NOTHING
          RETURNING id, enrolled_with
        )
        UPDATE "EnrolmentToken" t SET uses_left = uses_left - 1
        FROM enrolled WHERE t.hash = enrolled.enrolled_with
        RETURNING enrolled.id`,
    );
  }

  /** The token that made the node asks again, because the reply was lost. A revoked token is gone and asks in vain. */
  async repeat(node: NodeDescription, token: Hash, next: Hash, now: Date): Promise<string | undefined> {
    return idOf(
      await this.prisma.$queryRaw<{ id: string }[]>`
        UPDATE "Node" SET next_credential_hash = ${next}
        WHERE public_key = ${node.publicKey} AND location_id = ${node.locationId} AND status <> 'retired'
          AND enrolled_with = ${token} AND enrolled_at > ${now}::timestamptz - ${repeatMinutes} * interval '1 minute'
          AND EXISTS (SELECT FROM "EnrolmentToken" WHERE hash = ${token})
        RETURNING id`,
    );
  }

  async explain(publicKey: Buffer<ArrayBuffer>, bearer: Hash, now: Date): Promise<Refusal> {
    const [refusal] = await this.prisma.$queryRaw<[Refusal]>`
      SELECT t.location_id AS "tokenLocation", t.expires_at <= ${now} AS "tokenExpired",
        n.location_id AS "nodeLocation", n.status::text AS "nodeStatus",
        (n.credential_hash = ${bearer} OR n.next_credential_hash IS NOT DISTINCT FROM ${bearer}) AS "ownCredential",
        n.enrolled_with = ${bearer}
          AND n.enrolled_at > ${now}::timestamptz - ${repeatMinutes} * interval '1 minute' AS "repeat"
      FROM (SELECT 1) one
      LEFT JOIN "EnrolmentToken" t ON t.hash = ${bearer}
      LEFT JOIN "Node" n ON n.public_key = ${publicKey}`;
    return refusal;
  }

  /**
   * Tokens of no more use: used up or expired, and past the time in which a node they made may ask again.
   */
  async purgeTokens(now: Date): Promise<void> {
    await this.prisma.$executeRaw`
      DELETE FROM "EnrolmentToken" t
      WHERE (t.uses_left = 0 OR t.expires_at <= ${now})
        AND NOT EXISTS (
          SELECT FROM "Node" WHERE enrolled_with = t.hash
            AND enrolled_at > ${now}::timestamptz - ${repeatMinutes} * interval '1 minute')`;
  }
}

function idOf(rows: readonly { id: string }[]): string | undefined {
  return rows[0]?.id;
}
