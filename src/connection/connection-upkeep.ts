import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { AnonymizerLogger } from '../logger/index.js';
import { lostSeconds, NodeDirectory, NodeHealth } from '../nodes/index.js';
import { Background } from '../platform/background/index.js';
import { Clock } from '../platform/config/index.js';
import { NetworkUpkeep } from '../prisma/network/index.js';
import { LifecycleStore } from './lifecycle.store.js';
import { PeerSignals } from './peer-sync/peer-signals.js';
import { UsageStatistics } from './usage-statistics.js';

const expireSeconds = 10;
/** Rows ended by one statement: few enough that none is locked for long. */
const expireBatch = 5_000;
const cleanUpSeconds = 15;
const purgeSeconds = 600;
const countMs = 10_000;

const liveConnections = new Gauge({ name: 'connections_live', help: 'Connections that hold a place on a node.' });

/** What must happen to connections without anybody asking. */
@Injectable()
export class ConnectionUpkeep {
  private timer: NodeJS.Timeout | undefined;
  private counting: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly store: LifecycleStore,
    private readonly health: NodeHealth,
    private readonly directory: NodeDirectory,
    private readonly usage: UsageStatistics,
    private readonly signals: PeerSignals,
    private readonly clock: Clock,
    private readonly logger: AnonymizerLogger,
    upkeep: NetworkUpkeep,
    background: Background,
  ) {
    upkeep.every('connection-expiry', expireSeconds, () => this.expire());
    upkeep.every('connection-clean-up', cleanUpSeconds, () => this.cleanUp());
    upkeep.every('connection-purge', purgeSeconds, async () => void (await this.store.purge()));
    background.add({ start: () => this.keepCounting(), stop: () => this.stop() });
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

  /** How full each node is, for choosing among them; between two counts, each process adds what it gives. */
  async count(): Promise<void> {
    const counts = await this.store.liveByNode();
    this.directory.reportLive(counts);
    this.usage.seen(counts);
    liveConnections.set([...counts.values()].reduce((sum, count) => sum + count, 0));
  }

  private async keepCounting(): Promise<void> {
    this.counting = this.count().catch((error: unknown) => this.logger.error('connections_not_counted', error));
    await this.counting;
    if (this.stopped) return;
    this.timer = setTimeout(() => void this.keepCounting(), countMs).unref();
  }

  private async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.counting;
  }
}
