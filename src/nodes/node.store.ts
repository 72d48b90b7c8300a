import { Injectable } from '@nestjs/common';
import { NetworkPrisma, type NodeStatus, Prisma } from '../prisma/network/index.js';
import { type Hash } from './secret.js';

export interface NodeIdentity {
  readonly id: string;
  readonly status: NodeStatus;
  readonly credentialHash: Uint8Array;
  readonly nextCredentialHash: Uint8Array | null;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Whether a text is a UUID. PostgreSQL would fail with an error on other texts. */
export function isNodeId(text: string): boolean {
  return uuid.test(text);
}

const identity = Prisma.sql`
  SELECT id, status::text AS status, credential_hash AS "credentialHash", next_credential_hash AS "nextCredentialHash"
  FROM "Node"`;

/** Reads and updates the row of a single node, for its own requests. */
@Injectable()
export class NodeStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  async find(id: string): Promise<NodeIdentity | undefined> {
    const [node] = await this.prisma.$queryRaw<NodeIdentity[]>`${identity} WHERE id = ${id}::uuid`;
    return node;
  }

  async findAll(ids: readonly string[]): Promise<NodeIdentity[]> {
    return this.prisma.$queryRaw<NodeIdentity[]>`${identity} WHERE id = ANY(${ids}::uuid[])`;
  }

  /** Replaces the credential with the rotated one on its first use. False when `next` is not the rotated credential. */
  async promoteCredential(id: string, next: Hash): Promise<boolean> {
    const count = await this.prisma.$executeRaw`
      UPDATE "Node" SET credential_hash = next_credential_hash, next_credential_hash = NULL
      WHERE id = ${id}::uuid AND next_credential_hash = ${next}`;
    return count === 1;
  }

  /**
   * Records a pulse. The node becomes healthy, or unhealthy when it accepts no connections; a draining or retired node keeps
   * its status.
   *
   * @returns the node's status; undefined when the node is unknown
   */
  async pulse(id: string, currentLoad: number, accepting: boolean, now: Date): Promise<NodeStatus | undefined> {
    const health: NodeStatus = accepting ? 'healthy' : 'unhealthy';
    const [node] = await this.prisma.$queryRaw<{ status: NodeStatus }[]>`
      UPDATE "Node" SET current_load = ${currentLoad}, last_pulse_at = ${now},
        status = CASE WHEN status IN ('healthy', 'unhealthy') THEN ${health}::"NodeStatus" ELSE status END
      WHERE id = ${id}::uuid RETURNING status::text AS status`;
    return node?.status;
  }
}
