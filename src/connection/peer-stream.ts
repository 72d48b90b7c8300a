import { type ServerResponse } from 'node:http';
import { type PeerRow } from './outbox.store.js';

/** Said again when it was not acknowledged within this time. */
const repeatAfterMs = 1_000;

/** A reader this far behind is dropped; it comes back and gets a snapshot. Room for the snapshot of a full node. */
const mostBufferedBytes = 64 * 1024 * 1024;

/** One node's open event stream (server-sent events, WHATWG HTML §9.2). */
export class PeerStream {
  /** When each outstanding placement was last said, by placement and kind. */
  private readonly said = new Map<string, number>();
  private open = false;

  constructor(
    readonly nodeId: string,
    private readonly response: ServerResponse,
  ) {}

  begin(): void {
    this.response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // nginx would otherwise hold events back until its buffer is full.
      'x-accel-buffering': 'no',
    });
    this.response.flushHeaders();
  }

  /** The first event. Changes are held back until it is said, so that none can be overtaken by it. */
  snapshot(peers: readonly object[]): void {
    this.send('snapshot', { complete: true, peers });
    this.open = true;
  }

  /** Says what is outstanding and was not said of late. */
  say(rows: readonly PeerRow[], now: number, describe: (row: PeerRow) => object | undefined): void {
    if (!this.open) return;
    for (const row of rows) {
      const key = `${row.id}/${row.revision}/${row.status}`;
      const last = this.said.get(key);
      if (last !== undefined && now - last < repeatAfterMs) continue;
      const peer = describe(row);
      if (peer === undefined) continue;
      this.said.set(key, now);
      this.send(row.status === 'ending' ? 'peer-removed' : 'peer-added', peer);
    }
  }

  /** Forgets what was said long enough ago: it is acknowledged by now, or it is said again. */
  forgetBefore(time: number): void {
    for (const [key, last] of this.said) if (last < time) this.said.delete(key);
  }

  drain(): void {
    if (this.open) this.send('drain', {});
  }

  heartbeat(): void {
    if (this.open) this.send('heartbeat', {});
  }

  close(): void {
    this.response.end();
  }

  private send(event: string, data: object): void {
    this.response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    if (this.response.writableLength > mostBufferedBytes) this.response.destroy();
  }
}
