import { type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type AuthenticatedNode } from '../../nodes/index.js';
import { type PeerRow } from './outbox.store.js';

/** A change that is not acknowledged within this time is sent again. */
const repeatAfterMs = 1_000;

/** After so many heartbeats without progress the stream is dropped. The node reconnects and gets a new snapshot. */
const maxMissedHeartbeats = 4;

/** How long a node may take to read the last bytes when the stream closes. */
const shutdownMs = 1_000;

/**
 * One node's open event stream (server-sent events, WHATWG HTML §9.2). We never write faster than the node reads: outstanding
 * changes stay in the outbox, and are sent once the node has caught up.
 */
export class PeerStream {
  /** When each outstanding change was last sent, by placement and status. */
  private readonly sentAt = new Map<string, number>();
  private state: 'opening' | 'open' | 'closed' = 'opening';
  private draining = false;
  private missedHeartbeats = 0;

  /** @param node as it authenticated when it opened the stream */
  constructor(
    readonly node: AuthenticatedNode,
    private readonly response: ServerResponse,
  ) {
    // Without a listener, an error of a broken connection would end the process.
    response.on('error', () => this.drop());
    response.on('drain', () => (this.missedHeartbeats = 0));
  }

  /** Whether the snapshot is written. Changes wait until then, so that they never arrive before an older snapshot. */
  get isOpen(): boolean {
    return this.state === 'open';
  }

  /**
   * Writes the first event.
   *
   * @param chunks JSON without a line break
   * @throws when `chunks` throws, or when the connection breaks
   */
  async snapshot(chunks: AsyncIterable<string>): Promise<void> {
    if (this.state === 'closed') return;
    this.response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // Without this, nginx would delay events until its buffer is full.
      'x-accel-buffering': 'no',
    });
    this.response.flushHeaders();
    await pipeline(Readable.from(asEvent('snapshot', chunks)), this.response, { end: false });
    if (this.response.writableEnded) return;
    this.state = 'open';
    if (this.draining) this.drain();
  }

  /** Sends outstanding changes that were not sent within the last second. Does nothing while the node is behind. */
  send(rows: readonly PeerRow[], now: number, describe: (row: PeerRow) => object | undefined): void {
    if (!this.isOpen || this.response.writableNeedDrain) return;
    let text = '';
    for (const row of rows) {
      const key = `${row.id}/${row.revision}/${row.status}`;
      if (this.wasSentRecently(key, now)) continue;
      const peer = describe(row);
      if (peer === undefined) continue;
      this.sentAt.set(key, now);
      text += eventText(row.status === 'ending' ? 'peer-removed' : 'peer-added', peer);
    }
    if (text !== '') this.response.write(text);
  }

  drain(): void {
    this.draining = true;
    if (this.isOpen) this.response.write(eventText('drain', {}));
  }

  /** Sends a heartbeat, or drops the stream when the node has read nothing for several heartbeats. */
  heartbeat(now: number): void {
    for (const key of this.sentAt.keys()) if (!this.wasSentRecently(key, now)) this.sentAt.delete(key);
    if (this.response.writableNeedDrain) {
      this.missedHeartbeats += 1;
      if (this.missedHeartbeats >= maxMissedHeartbeats) this.drop();
    } else if (this.isOpen) {
      this.response.write(eventText('heartbeat', {}));
    }
  }

  /** Ends the stream; the node can still read what was sent. */
  close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.response.end();
    const timer = setTimeout(() => this.drop(), shutdownMs);
    this.response.once('close', () => clearTimeout(timer));
  }

  /** Breaks the connection immediately. */
  drop(): void {
    this.state = 'closed';
    this.response.destroy();
  }

  /** Times in the future do not count: a clock that was set back must not suppress the repetition. */
  private wasSentRecently(key: string, now: number): boolean {
    const last = this.sentAt.get(key);
    return last !== undefined && last <= now && now - last < repeatAfterMs;
  }
}

function eventText(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

async function* asEvent(event: string, chunks: AsyncIterable<string>): AsyncGenerator<string> {
  yield `event: ${event}\ndata: `;
  yield* chunks;
  yield '\n\n';
}
