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
  help: 'Nodes by status, in the latest snapshot of the fleet.',
  labelNames: ['status'],
});

const refreshMs = 800;

export type StatusListener = (nodeId: string, status: NodeStatus) => void;

/**
 * The fleet as this process knows it: a snapshot that is refreshed about once a second, and kept while PostgreSQL is down. It
 * serves for load balancing and for display, but decides nothing: whether a connection gets a slot is decided by one INSERT.
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
    // The start waits for the first read, so that a process that serves requests knows the fleet. A failure does not stop it.
    const repeater = new Repeater({
      waitMs: () => refreshMs * (0.8 + 0.4 * Math.random()),
      run: () => this.refresh(),
      onFailure: (error) => logger.error('fleet_snapshot_failed', error),
      atStart: true,
    });
    background.add(repeater);
  }

  /** How to reach a node, whatever its status: a retry gets its connection on a draining node too. */
  endpoint(nodeId: string): NodeEndpoint | undefined {
    return this.snapshot?.nodes.get(nodeId);
  }

  /**
   * Picks two different healthy nodes with room at a location at random, the less loaded one first; fewer when there are
   * fewer. Takes constant time.
   *
   * @param exclude id of a node that must not be picked
   */
  candidates(locationId: string, exclude?: string): readonly [first?: NodeEndpoint, second?: NodeEndpoint] {
    const [first, second] = this.snapshot?.pick(locationId, exclude) ?? [];
    return first === undefined ? [] : second === undefined ? [first] : [first, second];
  }

  /** Replaces the number of live connections of each node; a node that is not listed has none. */
  setLiveCounts(counts: ReadonlyMap<string, number>): void {
    this.live = new Map(counts);
    if (this.snapshot !== undefined) this.snapshot = new FleetSnapshot(this.rows, this.live);
  }

  /** Counts a connection that was just allocated on a node, until the next `setLiveCounts`. */
  countAllocation(nodeId: string): void {
    const live = (this.live.get(nodeId) ?? 0) + 1;
    this.live.set(nodeId, live);
    this.snapshot?.setLive(nodeId, live);
  }

  /**
   * Calls the listener, within about a second, for every node whose status has changed in the database; not for new nodes.
   *
   * @returns a function that ends the subscription
   */
  onStatusChange(listener: StatusListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** @throws {AppError} `unavailable` until the first snapshot has been read */
  current(): FleetSnapshot {
    if (this.snapshot !== undefined) return this.snapshot;
    throw new AppError('unavailable', 'The service has not loaded its list of nodes yet. Try again.', {
      headers: { 'retry-after': '1' },
    });
  }

  /** Reads the fleet. Calls during a running read share the next one, so each caller gets data from after its call. */
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
      if (known !== undefined && known.status !== status) this.notifyListeners(id, status);
    }
  }

  private notifyListeners(nodeId: string, status: NodeStatus): void {
    for (const listener of this.listeners) listener(nodeId, status);
  }
}
