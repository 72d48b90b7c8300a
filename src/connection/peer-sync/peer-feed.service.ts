import { type ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { AnonymizerLogger } from '../../logger/index.js';
import { type AuthenticatedNode, NodeAuthenticatorService, NodeDirectoryService } from '../../nodes/index.js';
import { Background, Repeater } from '../../platform/background/index.js';
import { Clock } from '../../platform/config/index.js';
import { OutboxStore } from './outbox.store.js';
import { PeerListsService } from './peer-lists.service.js';
import { PeerSignalsService } from './peer-signals.service.js';
import { PeerStream } from './peer-stream.js';
import { WakeUp } from './wake-up.js';

const pollMs = 250;
const heartbeatMs = 15_000;
/** Of one node at a time. */
const maxRows = 1_000;
/** Streams of one node: the connection that it has lost and we have not yet, and the one it came back with. */
const maxStreams = 3;

const streams = new Gauge({ name: 'peer_streams', help: 'Nodes that follow this process.' });

/**
 * Tells nodes what to apply. Each replica serves its own streams from the outbox, which is in the database: a signal makes
 * it look at the nodes concerned at once, a poll at all of them four times a second. Whatever is outstanding is said, and
 * said again until it is acknowledged, so a lost event, signal, stream or process only costs time.
 */
@Injectable()
export class PeerFeedService {
  private readonly streams = new Map<string, Set<PeerStream>>();
  private readonly wakeUp = new WakeUp<string>(
    (nodeIds) => this.tell(nodeIds),
    (error) => this.failed(error),
  );
  private failing = false;
  private leaving = false;

  constructor(
    private readonly outbox: OutboxStore,
    private readonly lists: PeerListsService,
    private readonly authenticator: NodeAuthenticatorService,
    private readonly directory: NodeDirectoryService,
    private readonly clock: Clock,
    private readonly logger: AnonymizerLogger,
    signals: PeerSignalsService,
    background: Background,
  ) {
    signals.onNodesChanged((nodeIds) => this.wakeUp.mark(...nodeIds));
    directory.onStatusChange((nodeId) => this.onPulse(nodeId));
    // Stopped last: what was marked is still served.
    background.add({ start: () => {}, drain: () => this.closeAll(), stop: () => this.wakeUp.idle() });
    background.add(new Repeater({ waitMs: pollMs, run: () => this.wakeUp.mark(...this.streams.keys()) }));
    // Apart: a store that is silent must silence no stream.
    background.add(new Repeater({ waitMs: heartbeatMs, run: () => this.heartbeat() }));
    const onFailure = (error: unknown) => this.failed(error);
    background.add(new Repeater({ waitMs: heartbeatMs, run: () => this.endUntrusted(), onFailure }));
  }

  /** Serves one node until either side ends: a snapshot first, then what changes. Never rejects. */
  async follow(node: AuthenticatedNode, response: ServerResponse): Promise<void> {
    const stream = new PeerStream(node, response);
    if (this.leaving || response.destroyed) return stream.drop();
    this.add(stream);
    response.once('close', () => this.remove(stream));
    // The operator's word may have come after the node was let in and before it was among the streams.
    if (node.status === 'draining' || node.status === 'retired') stream.drain();
    else this.onPulse(node.id);
    try {
      await stream.snapshot(this.lists.json(node.id));
      this.wakeUp.mark(node.id);
    } catch (error) {
      // An error is never an empty list: the node keeps what it has and comes back.
      stream.drop();
      if (!isReaderGone(error)) this.failed(error);
    }
  }

  /** Every 15 s: shows each stream that it lives, and drops the readers that do not. */
  heartbeat(): void {
    for (const stream of this.of(this.streams.keys())) stream.heartbeat(this.clock.now().getTime());
  }

  /**
   * Every 15 s: ends the streams of nodes that would not be let in any more. A rotated credential so ends what was opened
   * with the old one; a retired node may come back, and is told of nothing but what it has to remove.
   */
  async endUntrusted(): Promise<void> {
    const all = this.of(this.streams.keys());
    if (all.length === 0) return;
    const trusted = await this.authenticator.stillTrusted(all.map(({ node }) => node));
    for (const stream of all) if (!trusted.has(stream.node)) stream.close();
  }

  private async tell(nodeIds: Iterable<string>): Promise<void> {
    // Only streams that are open before the rows are read: a snapshot read after them could be overtaken by older news.
    const open = this.of(nodeIds).filter((stream) => stream.isOpen);
    if (open.length === 0) return;
    const now = this.clock.now();
    const rows = await this.outbox.outstanding([...new Set(open.map(({ node }) => node.id))], now, maxRows);
    this.failing = false;
    const byNode = Map.groupBy(rows, (row) => row.nodeId);
    for (const stream of open) {
      stream.say(byNode.get(stream.node.id) ?? [], now.getTime(), (row) => this.lists.describe(row));
    }
  }

  /** What an operator has said of a node. */
  private onPulse(nodeId: string): void {
    const status = this.directory.endpoint(nodeId)?.status;
    for (const stream of this.of([nodeId])) {
      if (status === 'draining') stream.drain();
      if (status === 'retired' && stream.node.status !== 'retired') stream.close();
    }
  }

  private closeAll(): void {
    this.leaving = true;
    for (const stream of this.of(this.streams.keys())) stream.close();
  }

  private of(nodeIds: Iterable<string>): PeerStream[] {
    return [...nodeIds].flatMap((id) => [...(this.streams.get(id) ?? [])]);
  }

  private add(stream: PeerStream): void {
    const group = this.streams.get(stream.node.id) ?? new Set();
    this.streams.set(stream.node.id, group.add(stream));
    const [oldest] = group;
    if (group.size > maxStreams) oldest?.drop();
    streams.set(this.streams.size);
  }

  private remove(stream: PeerStream): void {
    const group = this.streams.get(stream.node.id);
    group?.delete(stream);
    if (group?.size === 0) this.streams.delete(stream.node.id);
    streams.set(this.streams.size);
  }

  private failed(error: unknown): void {
    if (!this.failing) this.logger.error('peer_feed_failed', error);
    this.failing = true;
  }
}

const isReaderGone = (error: unknown) => error instanceof Error && 'code' in error && gone.has(error.code);

const gone = new Set<unknown>(['ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_WRITE_AFTER_END', 'ECONNRESET', 'EPIPE']);
