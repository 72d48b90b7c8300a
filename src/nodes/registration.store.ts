import { Injectable } from '@nestjs/common';
import { NetworkPrisma, type NodeStatus } from '../prisma/network/index.js';
import { type Hash } from './secret.js';

/** How long the token that enrolled a node may repeat the enrolment, in case the response was lost. */
const retryMinutes = 10;

/** The properties that a node registers with. */
export interface NodeDescription {
  readonly publicKey: Buffer<ArrayBuffer>;
  readonly locationId: string;
  readonly ip: string;
  readonly ipV6: string | null;
  readonly port: number;
  readonly capacity: number;
  readonly agentVersion: string | null;
}

/** Explains a refused registration: the state of the token and of the node with this key. */
export interface RefusalReason {
  /** The token's location; null when the token does not exist. */
  readonly tokenLocation: string | null;
  readonly tokenExpired: boolean | null;
  /** Location of the node with this key; null when no node has it. */
  readonly nodeLocation: string | null;
  readonly nodeStatus: NodeStatus | null;
  /** Whether the bearer is the credential of the node with this key. */
  readonly ownCredential: boolean | null;
  /** Whether the bearer is the token that enrolled this node, less than ten minutes ago. */
  readonly repeat: boolean | null;
}

/** Each statement checks and writes at once, so that two racing registrations cannot both succeed. */
@Injectable()
export class RegistrationStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /**
   * Updates the node with this key and credential. The credential of the request becomes the current one, and `next` replaces
   * it when it is first used, so a lost response does not lock the node out.
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
   * Inserts a new node and counts it against the token. Requests that race for the token's last use wait for its row lock and
   * then see how many uses are left. A request that loses a race for the public key inserts nothing, so it uses nothing up.
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

  /** Repeats an enrolment with the token that enrolled the node, because the response was lost. Fails for a revoked token. */
  async repeatEnrolment(node: NodeDescription, token: Hash, next: Hash, now: Date): Promise<string | undefined> {
    return idOf(
      await this.prisma.$queryRaw<{ id: string }[]>`
        UPDATE "Node" SET next_credential_hash = ${next}
        WHERE public_key = ${node.publicKey} AND location_id = ${node.locationId} AND status <> 'retired'
          AND enrolled_with = ${token} AND enrolled_at > ${now}::timestamptz - ${retryMinutes} * interval '1 minute'
          AND EXISTS (SELECT FROM "EnrolmentToken" WHERE hash = ${token})
        RETURNING id`,
    );
  }

  async findRefusalReason(publicKey: Buffer<ArrayBuffer>, bearer: Hash, now: Date): Promise<RefusalReason> {
    const [refusal] = await this.prisma.$queryRaw<[RefusalReason]>`
      SELECT t.location_id AS "tokenLocation", t.expires_at <= ${now} AS "tokenExpired",
        n.location_id AS "nodeLocation", n.status::text AS "nodeStatus",
        (n.credential_hash = ${bearer} OR n.next_credential_hash IS NOT DISTINCT FROM ${bearer}) AS "ownCredential",
        n.enrolled_with = ${bearer}
          AND n.enrolled_at > ${now}::timestamptz - ${retryMinutes} * interval '1 minute' AS "repeat"
      FROM (SELECT 1) one
      LEFT JOIN "EnrolmentToken" t ON t.hash = ${bearer}
      LEFT JOIN "Node" n ON n.public_key = ${publicKey}`;
    return refusal;
  }

  /**
   * Deletes tokens that are used up or expired, once no node that they enrolled may repeat its enrolment any more.
   */
  async purgeTokens(now: Date): Promise<void> {
    await this.prisma.$executeRaw`
      DELETE FROM "EnrolmentToken" t
      WHERE (t.uses_left = 0 OR t.expires_at <= ${now})
        AND NOT EXISTS (
          SELECT FROM "Node" WHERE enrolled_with = t.hash
            AND enrolled_at > ${now}::timestamptz - ${retryMinutes} * interval '1 minute')`;
  }
}

function idOf(rows: readonly { id: string }[]): string | undefined {
  return rows[0]?.id;
}
