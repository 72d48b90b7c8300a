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

/** Whether a text can be a node's id at all; PostgreSQL refuses any other with an error. */
export function isNodeId(text: string): boolean {
  return uuid.test(text);
}

const identity = Prisma.sql`
  SELECT id, status::text AS status, credential_hash AS "credentialHash", next_credential_hash AS "nextCredentialHash"
  FROM "Node"`;

/** One node's own row. */
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

  /** The rotated credential was shown for the first time: it replaces the old one. False when it is not there to be used. */
  async promoteCredential(id: string, next: Hash): Promise<boolean> {
    const count = await this.prisma.$executeRaw`
      UPDATE "Node" SET credential_hash = next_credential_hash, next_credential_hash = NULL
      WHERE id = ${id}::uuid AND next_credential_hash = ${next}`;
    return count === 1;
  }

  /**
   * A node that speaks is not silent, and healthy as long as it takes connections; one that an operator took out stays out.
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
