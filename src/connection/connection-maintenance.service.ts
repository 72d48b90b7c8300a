import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { AnonymizerLogger } from '../logger/index.js';
import { lostSeconds, NodeDirectoryService, NodeHealthService } from '../nodes/index.js';
import { Background, Repeater } from '../platform/background/index.js';
import { Clock } from '../platform/config/index.js';
import { LifecycleStore } from './lifecycle.store.js';
import { PeerSignalsService } from './peer-sync/peer-signals.service.js';
import { UsageStatisticsService } from './usage-statistics.service.js';

/** Rows ended by one statement: few enough that none is locked for long. */
const expireBatch = 5_000;
const countMs = 10_000;

const liveConnections = new Gauge({ name: 'connections_live', help: 'Connections that hold a place on a node.' });

/** What must happen to connections without anybody asking. */
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

  /** Ends everything whose hour has come. */
  async expire(): Promise<void> {
    const now = this.clock.now();
    while ((await this.store.expire(now, expireBatch)) === expireBatch);
  }

  /**
   * Ends what no node serves any more: those of nodes lost for ten minutes, and those of retired ones. Draining alone ends
   * nothing: the node keeps what it has.
   */
  async cleanUp(): Promise<void> {
    const now = this.clock.now();
    const lost = await this.health.lostNodes(now);
    const ended = await this.store.endOnNodes(lost, new Date(now.getTime() - lostSeconds * 1_000));
    if (ended > 0) this.logger.warn('connections_of_lost_nodes_ended', { count: ended });
    this.signals.nodesChanged(...(await this.store.endOnRetiredNodes()));
  }

  /** Drops the tombstones of tokens that no key verifies any more. */
  async purge(): Promise<void> {
    await this.store.purge();
  }

  /** How full each node is, for choosing among them; between two counts, each process adds what it gives. */
  async count(): Promise<void> {
    const counts = await this.store.liveByNode();
    this.directory.reportLive(counts);
    this.usage.seen(counts);
    liveConnections.set([...counts.values()].reduce((sum, count) => sum + count, 0));
  }
}
