import { BackendError } from './backend.js';
import { type ConnectionRevision } from './protocol.js';
import { backoffMs, type Timing } from './timing.js';

type Send = (added: readonly ConnectionRevision[], removed: readonly ConnectionRevision[]) => Promise<void>;

/** Of each kind in one request. */
const largestBatch = 5_000;

/**
 * Tells the backend what has been applied. One request is under way at a time, and the next carries all that came up
 * meanwhile: at a trickle an acknowledgement leaves at once, in a burst thousands share a request. What could not be sent
 * is kept and sent again; the latest word on a connection replaces the one before.
 */
export class Acknowledger {
  readonly #added = new Map<string, ConnectionRevision>();
  readonly #removed = new Map<string, ConnectionRevision>();
  #running: Promise<void> | undefined;

  constructor(
    private readonly send: Send,
    private readonly timing: Timing,
    private readonly signal: AbortSignal,
  ) {}

  get waiting(): number {
    return this.#added.size + this.#removed.size;
  }

  add(added: readonly ConnectionRevision[], removed: readonly ConnectionRevision[]): void {
    for (const row of removed) {
      this.#added.delete(row.connectionId);
      this.#removed.set(row.connectionId, row);
    }
    for (const row of added) {
      this.#removed.delete(row.connectionId);
      this.#added.set(row.connectionId, row);
    }
    if (this.waiting > 0) this.#running ??= Promise.resolve().then(() => this.#run());
  }

  /** Resolves when nothing waits any more, or when it was stopped. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let attempt = 0; this.waiting > 0 && !this.signal.aborted;) {
      const added = [...this.#added.values()].slice(0, largestBatch);
      const removed = [...this.#removed.values()].slice(0, largestBatch);
      try {
        await this.send(added, removed);
        attempt = 0;
        forget(this.#added, added);
        forget(this.#removed, removed);
      } catch (error) {
        if (isPointless(error)) {
          // The backend asks again for what it still waits for, with every new stream.
          forget(this.#added, added);
          forget(this.#removed, removed);
        }
        const wait = error instanceof BackendError ? error.retryAfterMs : 0;
        await this.timing.sleep(wait + backoffMs(attempt++, this.timing), this.signal);
      }
    }
    this.#running = undefined;
  }
}

/** The request itself is at fault, so that sending it again would fail for ever. */
function isPointless(error: unknown): boolean {
  return error instanceof BackendError && error.isFinal && !error.refused;
}

/** Unless a newer word has come meanwhile. */
function forget(waiting: Map<string, ConnectionRevision>, sent: readonly ConnectionRevision[]): void {
  for (const row of sent) {
    if (waiting.get(row.connectionId) === row) waiting.delete(row.connectionId);
  }
}
