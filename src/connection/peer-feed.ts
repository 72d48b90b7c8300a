import { type ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Clock } from '../config/index.js';
import { Background } from '../health/index.js';
import { AnonymizerLogger } from '../logger/index.js';
import { NodeDirectory } from '../nodes/index.js';
import { OutboxStore, type PeerRow } from './outbox.store.js';
import { PeerSignals } from './peer-signals.js';
import { PeerStream } from './peer-stream.js';
import { describePeer, describeRemoval } from './peers.schema.js';
import { ConnectionSecrets } from './connection-secrets.js';
import { WakeUp } from './wake-up.js';

const pollMs = 250;
const heartbeatMs = 15_000;
const forgetAfterMs = 60_000;

const streams = new Gauge({ name: 'peer_streams', help: 'Nodes that follow this process.' });

/**
 * Tells nodes what to apply. Each replica serves its own streams from the outbox, which is in the database: a signal makes
 * it look at the nodes concerned at once, a poll at all of them four times a second. Whatever is outstanding is said, and
 * said again until it is acknowledged, so a lost event, signal, stream or process only costs time.
 */
@Injectable()
export class PeerFeed {
  private readonly streams = new Map<string, Set<PeerStream>>();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly wakeUp = new WakeUp<string>(
    (nodeIds) => this.tell([...nodeIds].filter((id) => this.streams.has(id))),
    (error) => this.failed(error),
  );
  private failing = false;
  private leaving = false;

  constructor(
    private readonly outbox: OutboxStore,
    private readonly secrets: ConnectionSecrets,
    private readonly clock: Clock,
    private readonly logger: AnonymizerLogger,
    signals: PeerSignals,
    directory: NodeDirectory,
    background: Background,
  ) {
    signals.onNodesChanged((nodeIds) => this.wakeUp.mark(...nodeIds));
    directory.onStatusChange((nodeId, status) => {
      if (status === 'draining' || status === 'retired') this.each((stream) => stream.drain(), nodeId);
    });
    background.add({ start: () => this.start(), drain: () => this.closeAll(), stop: () => this.stop() });
  }

  /** Serves one node until either side ends: a snapshot first, then what changes. */
  async follow(nodeId: string, draining: boolean, response: ServerResponse): Promise<void> {
    if (this.leaving) {
      response.destroy();
      return;
    }
    const stream = new PeerStream(nodeId, response);
    this.add(stream);
    response.once('close', () => this.remove(stream));
    stream.begin();
    try {
      stream.snapshot(await this.peersOf(nodeId));
      if (draining) stream.drain();
      this.wakeUp.mark(nodeId);
    } catch (error) {
      // An error is never an empty list: the node keeps what it has and comes back.
      response.destroy();
      this.failed(error);
    }
  }

  /** Every peer that a node shall have, as the protocol describes it. */
  async peersOf(nodeId: string): Promise<object[]> {
    const rows = await this.outbox.peersOf(nodeId, this.clock.now());
    return rows.map((row) => this.describe(row)).filter((peer) => peer !== undefined);
  }

  private describe(row: PeerRow): object | undefined {
    if (row.status === 'ending') return describeRemoval(row);
    const presharedKey = this.secrets.presharedKey(row.id, row.salt, row.secretKeyId);
    return presharedKey && describePeer(row, presharedKey);
  }

  private async tell(nodeIds: readonly string[]): Promise<void> {
    if (nodeIds.length === 0) return;
    const now = this.clock.now();
    const byNode = Map.groupBy(await this.outbox.outstanding(nodeIds, now), (row) => row.nodeId);
    this.failing = false;
    for (const [nodeId, rows] of byNode) {
      this.each((stream) => stream.say(rows, now.getTime(), (row) => this.describe(row)), nodeId);
    }
  }

  private start(): void {
    this.timers.push(
      setInterval(() => this.wakeUp.mark(...this.streams.keys()), pollMs),
      setInterval(() => this.each((stream) => stream.heartbeat()), heartbeatMs),
      setInterval(
        () => this.each((stream) => stream.forgetBefore(this.clock.now().getTime() - forgetAfterMs)),
        forgetAfterMs,
      ),
    );
  }

  private closeAll(): void {
    this.leaving = true;
    this.each((stream) => stream.close());
  }

  private async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.wakeUp.idle();
  }

  private each(action: (stream: PeerStream) => void, nodeId?: string): void {
    const groups = nodeId === undefined ? [...this.streams.values()] : [this.streams.get(nodeId) ?? []];
    for (const group of groups) for (const stream of group) action(stream);
  }

  private add(stream: PeerStream): void {
    const group = this.streams.get(stream.nodeId) ?? new Set();
    this.streams.set(stream.nodeId, group.add(stream));
    streams.set(this.streams.size);
  }

  private remove(stream: PeerStream): void {
    const group = this.streams.get(stream.nodeId);
    group?.delete(stream);
    if (group?.size === 0) this.streams.delete(stream.nodeId);
    streams.set(this.streams.size);
  }

  private failed(error: unknown): void {
    if (!this.failing) this.logger.error('peer_feed_failed', error);
    this.failing = true;
  }
}
