import { type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type AuthenticatedNode } from '../../nodes/index.js';
import { type PeerRow } from './outbox.store.js';

/** Said again when it was not acknowledged within this time. */
const repeatAfterMs = 1_000;

/** A reader that takes nothing for so many beats is dropped; it comes back and gets a snapshot. */
const maxMissedHeartbeats = 4;

/** How long a reader may take over the last bytes when this process leaves. */
const shutdownMs = 1_000;

/**
 * One node's open event stream (server-sent events, WHATWG HTML §9.2). It is never written to faster than it is read: what
 * is outstanding stays in the outbox, and is said once the reader has caught up.
 */
export class PeerStream {
  /** When each outstanding placement was last said, by placement and kind. */
  private readonly said = new Map<string, number>();
  private state: 'opening' | 'open' | 'closed' = 'opening';
  private draining = false;
  private missedHeartbeats = 0;

  /** @param node as it showed itself when it opened the stream */
  constructor(
    readonly node: AuthenticatedNode,
    private readonly response: ServerResponse,
  ) {
    // Without a listener the error of a connection that breaks would end the process.
    response.on('error', () => this.drop());
    response.on('drain', () => (this.missedHeartbeats = 0));
  }

  /** Whether its snapshot is said. Changes are held back until then, so that it can overtake none. */
  get isOpen(): boolean {
    return this.state === 'open';
  }

  /**
   * The first event.
   *
   * @param pieces JSON without a line break
   * @throws when the pieces do, or the connection breaks
   */
  async snapshot(pieces: AsyncIterable<string>): Promise<void> {
    if (this.state === 'closed') return;
    this.response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // nginx would otherwise hold events back until its buffer is full.
      'x-accel-buffering': 'no',
    });
    this.response.flushHeaders();
    await pipeline(Readable.from(asEvent('snapshot', pieces)), this.response, { end: false });
    if (this.response.writableEnded) return;
    this.state = 'open';
    if (this.draining) this.drain();
  }

  /** Says what is outstanding and was not said of late. */
  say(rows: readonly PeerRow[], now: number, describe: (row: PeerRow) => object | undefined): void {
    if (!this.isOpen || this.response.writableNeedDrain) return;
    let text = '';
    for (const row of rows) {
      const key = `${row.id}/${row.revision}/${row.status}`;
      if (this.wasSaid(key, now)) continue;
      const peer = describe(row);
      if (peer === undefined) continue;
      this.said.set(key, now);
      text += eventText(row.status === 'ending' ? 'peer-removed' : 'peer-added', peer);
    }
    if (text !== '') this.response.write(text);
  }

  drain(): void {
    this.draining = true;
    if (this.isOpen) this.response.write(eventText('drain', {}));
  }

  /** Shows that the connection lives, and looks whether it does. */
  heartbeat(now: number): void {
    for (const key of this.said.keys()) if (!this.wasSaid(key, now)) this.said.delete(key);
    if (this.response.writableNeedDrain) {
      this.missedHeartbeats += 1;
      if (this.missedHeartbeats >= maxMissedHeartbeats) this.drop();
    } else if (this.isOpen) {
      this.response.write(eventText('heartbeat', {}));
    }
  }

  /** Ends in order: what was said is still read. */
  close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.response.end();
    const farewell = setTimeout(() => this.drop(), shutdownMs);
    this.response.once('close', () => clearTimeout(farewell));
  }

  /** Breaks off at once. */
  drop(): void {
    this.state = 'closed';
    this.response.destroy();
  }

  /** A clock that was set back must not silence it. */
  private wasSaid(key: string, now: number): boolean {
    const last = this.said.get(key);
    return last !== undefined && last <= now && now - last < repeatAfterMs;
  }
}

function eventText(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

async function* asEvent(event: string, pieces: AsyncIterable<string>): AsyncGenerator<string> {
  yield `event: ${event}\ndata: `;
  yield* pieces;
  yield '\n\n';
}
