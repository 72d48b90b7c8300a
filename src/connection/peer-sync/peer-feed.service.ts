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
import { CoalescingQueue } from './coalescing-queue.js';

const pollMs = 250;
const heartbeatMs = 15_000;
/** Per node and push. */
const maxRows = 1_000;
/** Per node. After a reconnect, the old stream may still seem open to us beside the new one. */
const maxStreams = 3;

const streams = new Gauge({ name: 'peer_streams', help: 'Nodes that have an event stream open to this process.' });

/**
 * Pushes peer changes to nodes over server-sent events. Each replica serves its own streams from the outbox in the database.
 * A signal makes it read the changed nodes at once; a poll reads all connected nodes four times a second. Outstanding changes
 * are sent repeatedly until the node acknowledges them. So losing an event, a signal, a stream or a process only costs time.
 */
@Injectable()
export class PeerFeedService {
  private readonly streams = new Map<string, Set<PeerStream>>();
  private readonly pushQueue = new CoalescingQueue<string>(
    (nodeIds) => this.push(nodeIds),
    (error) => this.logFailure(error),
  );
  private failing = false;
  private shuttingDown = false;

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
    signals.onNodesChanged((nodeIds) => this.pushQueue.add(...nodeIds));
    directory.onStatusChange((nodeId) => this.onStatusChange(nodeId));
    // Added first, so stopped last: after the poll that adds to the queue.
    background.add({ start: () => {}, drain: () => this.closeAll(), stop: () => this.pushQueue.idle() });
    background.add(new Repeater({ waitMs: pollMs, run: () => this.pushQueue.add(...this.streams.keys()) }));
    // Separate from the push, so that a database that hangs does not stop the heartbeats.
    background.add(new Repeater({ waitMs: heartbeatMs, run: () => this.heartbeat() }));
    const onFailure = (error: unknown) => this.logFailure(error);
    background.add(new Repeater({ waitMs: heartbeatMs, run: () => this.closeUnauthorised(), onFailure }));
  }

  /** Serves one node until either side closes the stream: first a snapshot, then the changes. Never rejects. */
  async follow(node: AuthenticatedNode, response: ServerResponse): Promise<void> {
    const stream = new PeerStream(node, response);
    if (this.shuttingDown || response.destroyed) return stream.drop();
    this.add(stream);
    response.once('close', () => this.remove(stream));
    // The operator may have drained or retired the node after it authenticated and before its stream was added.
    if (node.status === 'draining' || node.status === 'retired') stream.drain();
    else this.onStatusChange(node.id);
    try {
      await stream.snapshot(this.lists.json(node.id));
      this.pushQueue.add(node.id);
    } catch (error) {
      // Drop the stream: an error must never look like an empty list. The node keeps its peers and reconnects.
      stream.drop();
      if (!isReaderGone(error)) this.logFailure(error);
    }
  }

  /** Runs every 15 s: sends a heartbeat to each stream, and drops streams whose reader is stuck. */
  heartbeat(): void {
    for (const stream of this.streamsOf(this.streams.keys())) stream.heartbeat(this.clock.now().getTime());
  }

  /**
   * Runs every 15 s: closes the streams of nodes whose credential was rotated or that were retired since they connected. A
   * retired node may reconnect, but then it only gets removals.
   */
  async closeUnauthorised(): Promise<void> {
    const all = this.streamsOf(this.streams.keys());
    if (all.length === 0) return;
    const authorised = await this.authenticator.filterAuthorised(all.map(({ node }) => node));
    for (const stream of all) if (!authorised.has(stream.node)) stream.close();
  }

  private async push(nodeIds: Iterable<string>): Promise<void> {
    // Choose the open streams before reading the rows. Otherwise a stream could get older changes after a newer snapshot.
    const open = this.streamsOf(nodeIds).filter((stream) => stream.isOpen);
    if (open.length === 0) return;
    const now = this.clock.now();
    const rows = await this.outbox.outstanding([...new Set(open.map(({ node }) => node.id))], now, maxRows);
    this.failing = false;
    const byNode = Map.groupBy(rows, (row) => row.nodeId);
    for (const stream of open) {
      stream.send(byNode.get(stream.node.id) ?? [], now.getTime(), (row) => this.lists.describe(row));
    }
  }

  /** Sends `drain`, or closes the stream, when the operator has drained or retired the node. */
  private onStatusChange(nodeId: string): void {
    const status = this.directory.endpoint(nodeId)?.status;
    for (const stream of this.streamsOf([nodeId])) {
      if (status === 'draining') stream.drain();
      if (status === 'retired' && stream.node.status !== 'retired') stream.close();
    }
  }

  private closeAll(): void {
    this.shuttingDown = true;
    for (const stream of this.streamsOf(this.streams.keys())) stream.close();
  }

  private streamsOf(nodeIds: Iterable<string>): PeerStream[] {
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

  private logFailure(error: unknown): void {
    if (!this.failing) this.logger.error('peer_feed_failed', error);
    this.failing = true;
  }
}

const isReaderGone = (error: unknown) => error instanceof Error && 'code' in error && disconnectCodes.has(error.code);

const disconnectCodes = new Set<unknown>([
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_WRITE_AFTER_END',
  'ECONNRESET',
  'EPIPE',
]);
