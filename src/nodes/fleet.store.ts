import { Injectable } from '@nestjs/common';
import { NetworkPrisma, type NodeStatus } from '../prisma/network/index.js';
import { type FleetRows, type LocationRecord, type NodeEndpoint } from './fleet-snapshot.js';

type NodeTuple = [
  id: string,
  locationId: string,
  publicKey: string,
  ip: string,
  ipV6: string | null,
  port: number,
  capacity: number,
  currentLoad: number,
  status: NodeStatus,
  credentialHints: string,
];

/** A node as the operator's list shows it. */
export interface NodeReport {
  readonly id: string;
  readonly locationId: string;
  readonly status: NodeStatus;
  readonly currentLoad: number;
  readonly capacity: number;
  readonly ip: string;
  readonly ipV6: string | null;
  readonly port: number;
  readonly lastPulseAt: Date;
  readonly agentVersion: string | null;
}

/** Reads the whole fleet, and sets the status of nodes on behalf of the operator. */
@Injectable()
export class FleetStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /**
   * Reads all locations and nodes in one query, as JSON: for 10,000 rows, Prisma's own decoding takes four times the CPU
   * of parsing the JSON (21 ms against 5).
   */
  async readFleet(): Promise<FleetRows> {
    const [row] = await this.prisma.$queryRaw<{ locations: string | null; nodes: string | null }[]>`
      SELECT
        (SELECT json_agg(l ORDER BY l.id)::text FROM "Location" l) AS locations,
        (SELECT json_agg(json_build_array(n.id, n.location_id, encode(n.public_key, 'base64'), host(n.ip), host(n.ip_v6),
                                          n.port, n.capacity, n.current_load, n.status,
                                          left(encode(n.credential_hash, 'hex'), 8)
                                            || coalesce(left(encode(n.next_credential_hash, 'hex'), 8), '')))::text
         FROM "Node" n) AS nodes`;
    return {
      locations: JSON.parse(row?.locations ?? '[]') as LocationRecord[],
      nodes: (JSON.parse(row?.nodes ?? '[]') as NodeTuple[]).map(toEndpoint),
    };
  }

  async list(): Promise<NodeReport[]> {
    return this.prisma.$queryRaw<NodeReport[]>`
      SELECT id, location_id AS "locationId", status::text AS status, current_load AS "currentLoad", capacity,
        host(ip) AS ip, host(ip_v6) AS "ipV6", port, last_pulse_at AS "lastPulseAt", agent_version AS "agentVersion"
      FROM "Node" ORDER BY location_id, status, id`;
  }

  /** False when the node is retired or unknown. */
  async drain(id: string): Promise<boolean> {
    const drained = await this.prisma.$executeRaw`
      UPDATE "Node" SET status = 'draining' WHERE id = ${id}::uuid AND status <> 'retired'`;
    return drained === 1;
  }

  /** False when the node is not draining. It becomes healthy with its next pulse. */
  async resume(id: string): Promise<boolean> {
    const resumed = await this.prisma.$executeRaw`
      UPDATE "Node" SET status = 'unhealthy' WHERE id = ${id}::uuid AND status = 'draining'`;
    return resumed === 1;
  }

  async statusOf(id: string): Promise<NodeStatus | undefined> {
    const [node] = await this.prisma.$queryRaw<{ status: NodeStatus }[]>`
      SELECT status::text AS status FROM "Node" WHERE id = ${id}::uuid`;
    return node?.status;
  }

  /** False when the node is unknown. */
  async retire(id: string): Promise<boolean> {
    return (await this.prisma.$executeRaw`UPDATE "Node" SET status = 'retired' WHERE id = ${id}::uuid`) === 1;
  }
}

function toEndpoint(tuple: NodeTuple): NodeEndpoint {
  const [id, locationId, publicKey, ip, ipV6, port, capacity, currentLoad, status, credentialHints] = tuple;
  return {
    id,
    locationId,
    publicKey,
    ip,
    ipV6: ipV6 ?? undefined,
    port,
    capacity,
    currentLoad,
    status,
    credentialHints,
  };
}
