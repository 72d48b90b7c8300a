import { type NodeStatus } from '../prisma/network/index.js';
import { hasRoom, type NodeLoad, loadOf, NodePool } from './load-balancing.js';

export interface LocationRecord {
  /** Slug such as "de-frankfurt". */
  readonly id: string;
  /** ISO 3166-1 alpha-2 code. */
  readonly country: string;
  readonly city: string;
  readonly latitude: number;
  readonly longitude: number;
  /** Whether users can choose it. */
  readonly enabled: boolean;
}

/** How clients reach a node, and whether it takes connections. */
export interface NodeEndpoint {
  readonly id: string;
  readonly locationId: string;
  /** WireGuard public key, standard base64, 44 characters. */
  readonly publicKey: string;
  readonly ip: string;
  readonly ipV6: string | undefined;
  readonly port: number;
  readonly capacity: number;
  readonly currentLoad: number;
  readonly status: NodeStatus;
  /** First 8 hex digits of its credential's hash, then of a rotated credential's, if any. Not enough to authenticate. */
  readonly credentialHints: string;
}

type NodeWithLoad = NodeEndpoint & NodeLoad;

/** The fleet as read from the database. */
export interface FleetRows {
  readonly locations: readonly LocationRecord[];
  readonly nodes: readonly NodeEndpoint[];
}

export interface LocationLoad {
  /** Mean load of its healthy nodes, 0 to 1; 1 when it has none. */
  readonly load: number;
  /** Whether a healthy node has room. */
  readonly available: boolean;
}

/** The fleet at one moment, indexed for load balancing. Only the `live` counts change, and which nodes are in a pool. */
export class FleetSnapshot {
  readonly locations: ReadonlyMap<string, LocationRecord>;
  readonly nodes: ReadonlyMap<string, NodeEndpoint>;
  private readonly loaded = new Map<string, NodeWithLoad>();
  private readonly pools = new Map<string, NodePool<NodeWithLoad>>();

  constructor(rows: FleetRows, live: ReadonlyMap<string, number>) {
    this.locations = new Map(rows.locations.map((location) => [location.id, location]));
    for (const id of this.locations.keys()) this.pools.set(id, new NodePool());
    for (const row of rows.nodes) {
      const node: NodeWithLoad = { ...row, live: live.get(row.id) ?? 0 };
      this.loaded.set(node.id, node);
      if (node.status === 'healthy' && hasRoom(node)) this.pools.get(node.locationId)?.add(node);
    }
    this.nodes = this.loaded;
  }

  pick(locationId: string, exclude?: string): NodeEndpoint[] {
    return this.pools.get(locationId)?.pick(exclude) ?? [];
  }

  /** Sets a node's live connections. A node that is full now is no longer picked. */
  setLive(nodeId: string, live: number): void {
    const node = this.loaded.get(nodeId);
    if (node === undefined) return;
    node.live = live;
    if (!hasRoom(node)) this.pools.get(node.locationId)?.remove(nodeId);
  }

  countByStatus(): Record<NodeStatus, number> {
    const counts = { healthy: 0, unhealthy: 0, draining: 0, retired: 0 };
    for (const node of this.loaded.values()) counts[node.status] += 1;
    return counts;
  }

  /** The load of every location, in one pass over the fleet. */
  loads(): Map<string, LocationLoad> {
    const sums = new Map<string, { load: number; nodes: number }>();
    for (const node of this.loaded.values()) {
      if (node.status !== 'healthy') continue;
      const sum = sums.get(node.locationId) ?? { load: 0, nodes: 0 };
      sums.set(node.locationId, { load: sum.load + loadOf(node), nodes: sum.nodes + 1 });
    }
    return new Map(
      [...this.locations.keys()].map((id) => {
        const sum = sums.get(id);
        return [
          id,
          { load: sum === undefined ? 1 : sum.load / sum.nodes, available: (this.pools.get(id)?.size ?? 0) > 0 },
        ];
      }),
    );
  }
}
