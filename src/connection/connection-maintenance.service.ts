import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { AnonymizerLogger } from '../logger/index.js';
import { lostSeconds, NodeDirectoryService, NodeHealthService } from '../nodes/index.js';
import { Background, Repeater } from '../platform/background/index.js';
import { Clock } from '../platform/config/index.js';
import { LifecycleStore } from './lifecycle.store.js';
import { PeerSignalsService } from './peer-sync/peer-signals.service.js';
import { UsageStatisticsService } from './usage-statistics.service.js';

/** Maximum rows that one statement ends, so that it holds its locks only briefly. */
const expireBatch = 5_000;
const countMs = 10_000;

const liveConnections = new Gauge({ name: 'connections_live', help: 'Connections that occupy a slot on a node.' });

/** Maintenance jobs of connections: expiry, cleaning up after lost and retired nodes, purging and counting. */
@Injectable()
export class ConnectionMaintenanceService {
  constructor(
    private readonly store: LifecycleStore,
    private readonly health: NodeHealthService,
    private readonly directory: NodeDirectoryService,
    private readonly usage: UsageStatisticsService,
    private readonly signals: PeerSignalsService,
    private readonly clock: Clock,
    private readonly logger: AnonymizerLogger,
    background: Background,
  ) {
    const onFailure = (error: unknown) => logger.error('connections_not_counted', error);
    background.add(new Repeater({ waitMs: countMs, run: () => this.count(), onFailure, atStart: true }));
  }

  /** Ends all connections that have expired. */
  async expire(): Promise<void> {
    const now = this.clock.now();
    while ((await this.store.expire(now, expireBatch)) === expireBatch);
  }

  /**
   * Ends connections that no node serves any more: those on nodes silent for ten minutes, and those on retired nodes. A
   * draining node keeps its connections.
   */
  async cleanUp(): Promise<void> {
    const now = this.clock.now();
    const lost = await this.health.lostNodes(now);
    const ended = await this.store.endOnNodes(lost, new Date(now.getTime() - lostSeconds * 1_000));
    if (ended > 0) this.logger.warn('connections_of_lost_nodes_ended', { count: ended });
    this.signals.nodesChanged(...(await this.store.endOnRetiredNodes()));
  }

  /** Deletes the tombstones of tokens whose issuer key has expired. */
  async purge(): Promise<void> {
    await this.store.purge();
  }

  /** Counts the live connections of each node, for load balancing. In between, each process adds its own allocations. */
  async count(): Promise<void> {
    const counts = await this.store.liveByNode();
    this.directory.setLiveCounts(counts);
    this.usage.recordLive(counts);
    liveConnections.set([...counts.values()].reduce((sum, count) => sum + count, 0));
  }
}
