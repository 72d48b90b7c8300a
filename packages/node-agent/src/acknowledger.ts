import { BackendError } from './backend.js';
import { type ConnectionRevision } from './protocol.js';
import { backoffMs, type Timing } from './timing.js';

type Send = (added: readonly ConnectionRevision[], removed: readonly ConnectionRevision[]) => Promise<void>;

/** Most additions, and most removals, in one request. */
const maxBatch = 5_000;

/**
 * Acknowledges applied changes to the backend. It sends one request at a time; the next request takes all changes that
 * arrived meanwhile. So a single change is acknowledged at once, and thousands of changes in a burst share a request. A failed
 * request is retried. A newer change to a connection replaces the older one.
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

  get pending(): number {
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
    if (this.pending > 0) this.#running ??= Promise.resolve().then(() => this.#run());
  }

  /** Resolves when all changes are acknowledged, or when the agent stops. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let attempt = 0; this.pending > 0 && !this.signal.aborted;) {
      const added = [...this.#added.values()].slice(0, maxBatch);
      const removed = [...this.#removed.values()].slice(0, maxBatch);
      try {
        await this.send(added, removed);
        attempt = 0;
        removeSent(this.#added, added);
        removeSent(this.#removed, removed);
      } catch (error) {
        if (isPermanent(error)) {
          // With every new stream, the backend sends again what it still waits for.
          removeSent(this.#added, added);
          removeSent(this.#removed, removed);
        }
        const wait = error instanceof BackendError ? error.retryAfterMs : 0;
        await this.timing.sleep(wait + backoffMs(attempt++, this.timing), this.signal);
      }
    }
    this.#running = undefined;
  }
}

/** Whether the request itself is invalid, so that every retry would fail. */
function isPermanent(error: unknown): boolean {
  return error instanceof BackendError && error.isFinal && !error.refused;
}

/** Keeps rows that a newer change has replaced meanwhile. */
function removeSent(waiting: Map<string, ConnectionRevision>, sent: readonly ConnectionRevision[]): void {
  for (const row of sent) {
    if (waiting.get(row.connectionId) === row) waiting.delete(row.connectionId);
  }
}
