import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { AnonymizerLogger } from '../logger/index.js';
import { Background, Repeater } from '../platform/background/index.js';
import { AppError } from '../platform/errors/index.js';
import { type NodeStatus } from '../prisma/network/index.js';
import { type FleetRows, FleetSnapshot, type NodeEndpoint } from './fleet-snapshot.js';
import { FleetStore } from './fleet.store.js';

const nodesByStatus = new Gauge({
  name: 'nodes',
  help: 'Nodes by status, as of the last snapshot.',
  labelNames: ['status'],
});

const refreshMs = 800;

export type StatusListener = (nodeId: string, status: NodeStatus) => void;

/**
 * What this process knows of the fleet: a snapshot less than a second old, kept when PostgreSQL does not answer. Good for
 * choosing and for showing, never the authority: whether a connection gets its place is decided by one INSERT.
 */
@Injectable()
export class NodeDirectoryService {
  private rows: FleetRows = { locations: [], nodes: [] };
  private snapshot: FleetSnapshot | undefined;
  private live = new Map<string, number>();
  private readonly listeners = new Set<StatusListener>();
  private last: Promise<void> = Promise.resolve();
  private next: Promise<void> | undefined;

  constructor(
    private readonly store: FleetStore,
    logger: AnonymizerLogger,
    background: Background,
  ) {
    // The first reading is waited for, so that a process that serves knows the fleet; a failed one does not stop the boot.
    const repeater = new Repeater({
      waitMs: () => refreshMs * (0.8 + 0.4 * Math.random()),
      run: () => this.refresh(),
      onFailure: (error) => logger.error('fleet_snapshot_failed', error),
      atStart: true,
    });
    background.add(repeater);
  }

  /** Where a node is reached, whatever its status: a retry is answered from a draining node too. */
  endpoint(nodeId: string): NodeEndpoint | undefined {
    return this.snapshot?.nodes.get(nodeId);
  }

  /**
   * Two different healthy nodes of a location with room, drawn at random, the less loaded one first; fewer when there are
   * fewer. Takes the same time whatever the size of the fleet.
   *
   * @param exclude a node that must not be among them
   */
  candidates(locationId: string, exclude?: string): readonly [first?: NodeEndpoint, second?: NodeEndpoint] {
    const [first, second] = this.snapshot?.draw(locationId, exclude) ?? [];
    return first === undefined ? [] : second === undefined ? [first] : [first, second];
  }

  /** Replaces what is known of how many connections each node has; a node that is not named has none. */
  reportLive(counts: ReadonlyMap<string, number>): void {
    this.live = new Map(counts);
    if (this.snapshot !== undefined) this.snapshot = new FleetSnapshot(this.rows, this.live);
  }

  /** Counts a connection that was just given to a node, until the next report. */
  noteAllocated(nodeId: string): void {
    const live = (this.live.get(nodeId) ?? 0) + 1;
    this.live.set(nodeId, live);
    this.snapshot?.setLive(nodeId, live);
  }

  /**
   * Calls back, within a second, for every node whose status has changed, by whoever; not for nodes that are new.
   *
   * @returns ends the subscription
   */
  onStatusChange(listener: StatusListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** @throws {AppError} `unavailable` while no snapshot was ever read */
  current(): FleetSnapshot {
    if (this.snapshot !== undefined) return this.snapshot;
    throw new AppError('unavailable', 'The list of nodes is not read yet. Try again.', {
      headers: { 'retry-after': '1' },
    });
  }

  /** Reads the fleet anew. Who asks while a reading runs gets the one after it, together with all others who ask. */
  refresh(): Promise<void> {
    if (this.next === undefined) {
      this.next = this.last.then(() => {
        this.next = undefined;
        return this.read();
      });
      this.last = this.next.catch(() => undefined);
    }
    return this.next;
  }

  private async read(): Promise<void> {
    const before = this.snapshot;
    this.rows = await this.store.readFleet();
    const now = new FleetSnapshot(this.rows, this.live);
    this.snapshot = now;
    for (const [status, count] of Object.entries(now.countByStatus())) nodesByStatus.set({ status }, count);
    if (before === undefined || this.listeners.size === 0) return;
    for (const { id, status } of this.rows.nodes) {
      const known = before.nodes.get(id);
      if (known !== undefined && known.status !== status) this.tell(id, status);
    }
  }

  private tell(nodeId: string, status: NodeStatus): void {
    for (const listener of this.listeners) listener(nodeId, status);
  }
}
