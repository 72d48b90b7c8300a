import { type NodeStatus } from '../prisma/network/index.js';
import { hasRoom, type Loadable, loadOf, NodePool } from './load-balancing.js';

export interface LocationRecord {
  /** Slug such as "de-frankfurt". */
  readonly id: string;
  /** ISO 3166-1 alpha-2 code. */
  readonly country: string;
  readonly city: string;
  readonly latitude: number;
  readonly longitude: number;
  /** Whether people may choose it. */
  readonly enabled: boolean;
}

/** Where a node is reached, and whether it takes connections. */
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
  /** How its credential's hash begins, and that of a rotated one: 8 hex digits each. It lets nobody in. */
  readonly credentialHints: string;
}

type KnownNode = NodeEndpoint & Loadable;

/** What the database said. */
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

/** The fleet at one moment, arranged for choosing. Only `live` counts change, and with them who is in a pool. */
export class FleetSnapshot {
  readonly locations: ReadonlyMap<string, LocationRecord>;
  readonly nodes: ReadonlyMap<string, NodeEndpoint>;
  private readonly known = new Map<string, KnownNode>();
  private readonly pools = new Map<string, NodePool<KnownNode>>();

  constructor(rows: FleetRows, live: ReadonlyMap<string, number>) {
    this.locations = new Map(rows.locations.map((location) => [location.id, location]));
    for (const id of this.locations.keys()) this.pools.set(id, new NodePool());
    for (const row of rows.nodes) {
      const node: KnownNode = { ...row, live: live.get(row.id) ?? 0 };
      this.known.set(node.id, node);
      if (node.status === 'healthy' && hasRoom(node)) this.pools.get(node.locationId)?.add(node);
    }
    this.nodes = this.known;
  }

  draw(locationId: string, exclude?: string): NodeEndpoint[] {
    return this.pools.get(locationId)?.draw(exclude) ?? [];
  }

  /** A node that is full now is not drawn any more. */
  setLive(nodeId: string, live: number): void {
    const node = this.known.get(nodeId);
    if (node === undefined) return;
    node.live = live;
    if (!hasRoom(node)) this.pools.get(node.locationId)?.remove(nodeId);
  }

  countByStatus(): Record<NodeStatus, number> {
    const counts = { healthy: 0, unhealthy: 0, draining: 0, retired: 0 };
    for (const node of this.known.values()) counts[node.status] += 1;
    return counts;
  }

  /** Of every location at once: one pass over the fleet. */
  loads(): Map<string, LocationLoad> {
    const sums = new Map<string, { load: number; nodes: number }>();
    for (const node of this.known.values()) {
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
