import { type PeerDriver, isSamePeer } from './peer-driver.js';
import { PeerTable } from './peer-table.js';
import { type ConnectionRevision, type Peer, type PeerList } from './protocol.js';
import { backoffMs, type Timing } from './timing.js';

export type Change =
  | { readonly type: 'added'; readonly peer: Peer }
  | { readonly type: 'removed'; readonly removed: ConnectionRevision }
  | { readonly type: 'list'; readonly list: PeerList; readonly except: ReadonlySet<string> }
  | { readonly type: 'expired' }
  /** Compare the driver with the table, and repair what it has lost. */
  | { readonly type: 'verify' }
  /** Erase endpoint and handshake time of peers without a handshake since then (Unix milliseconds). */
  | { readonly type: 'idle'; readonly since: number };

/** Changes that the driver has applied, to be acknowledged to the backend. */
export interface Applied {
  readonly added: readonly ConnectionRevision[];
  readonly removed: readonly ConnectionRevision[];
  /** A whole list was among the changes. */
  readonly synced: boolean;
}

/**
 * Writes all changes to the driver, through one queue. Changes that arrive during a driver call form the next batch, so a burst
 * of thousands of changes needs only a few driver calls.
 *
 * The table has the wanted peers; the driver gets only the differences. A failed driver call is retried, and a change is
 * reported as applied only after the driver has it.
 */
export class PeerWriter {
  readonly table = new PeerTable();
  /** How many peers differed in the driver although the agent had not changed them, and were repaired. */
  driftRepaired = 0;
  driverFailures = 0;
  /** How many times an idle peer's endpoint and handshake time were erased. */
  idleEndpointsErased = 0;

  #queue: Change[] = [];
  #running: Promise<void> | undefined;
  /** Public keys whose peers may differ between driver and table. */
  readonly #unwritten = new Set<string>();
  #added: ConnectionRevision[] = [];
  #removed: ConnectionRevision[] = [];
  #synced = false;
  /** Whether the next write first compares the driver's peers with the table. */
  #mustCompare = false;
  #mayRemoveUnknown = false;
  #idleSince: number | undefined;

  constructor(
    private readonly driver: PeerDriver,
    private readonly timing: Timing,
    private readonly signal: AbortSignal,
    private readonly onApplied: (applied: Applied) => void,
  ) {}

  push(change: Change): void {
    this.#queue.push(change);
    // Deferred, so that all events of one chunk form one batch.
    this.#running ??= Promise.resolve().then(() => this.#run());
  }

  /** Resolves when all pushed changes have been written, or when the agent stops. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let attempt = 0; this.#hasWork() && !this.signal.aborted;) {
      const changes = this.#queue;
      this.#queue = [];
      for (const change of changes) this.#applyToTable(change);
      try {
        await this.#write();
        attempt = 0;
      } catch {
        // The driver's message may contain keys and addresses: it is counted, not logged.
        this.driverFailures++;
        this.#mustCompare = true;
        // The next idle check sets it again.
        this.#idleSince = undefined;
        await this.timing.sleep(backoffMs(attempt++, this.timing), this.signal);
      }
    }
    this.#running = undefined;
  }

  #hasWork(): boolean {
    return this.#queue.length > 0 || this.#unwritten.size > 0 || this.#mustCompare;
  }

  #applyToTable(change: Change): void {
    const now = this.timing.now();
    switch (change.type) {
      case 'added':
        if (change.peer.expiresAt > now) this.#addToTable(change.peer);
        break;
      case 'removed':
        this.#mark(this.table.remove(change.removed));
        // Acknowledged even when the table does not have it: the backend waits for that to reuse its slot.
        this.#removed.push(change.removed);
        break;
      case 'list': {
        const alive = change.list.peers.filter(({ expiresAt }) => expiresAt > now);
        this.#mark(this.table.replace(alive, change.list.complete, change.except));
        this.#added.push(...alive.filter(({ pending, connectionId }) => pending && !change.except.has(connectionId)));
        this.#synced = true;
        this.#mustCompare = true;
        this.#mayRemoveUnknown = change.list.complete;
        break;
      }
      case 'expired':
        this.#mark(this.table.expire(now));
        break;
      case 'verify':
        this.#mustCompare = true;
        break;
      case 'idle':
        this.#idleSince = change.since;
    }
  }

  #addToTable(peer: Peer): void {
    this.#mark(this.table.add(peer));
    this.#added.push(peer);
  }

  #mark(publicKeys: readonly string[]): void {
    for (const publicKey of publicKeys) this.#unwritten.add(publicKey);
  }

  async #write(): Promise<void> {
    if (this.#mustCompare) await this.#markDifferences();
    const unwanted = [...this.#unwritten].filter((publicKey) => this.table.byPublicKey(publicKey) === undefined);
    const wanted = [...this.#unwritten]
      .map((publicKey) => this.table.byPublicKey(publicKey))
      .filter((peer) => peer !== undefined);
    // Removals first, because they free addresses.
    if (unwanted.length > 0) await this.driver.remove(unwanted);
    if (wanted.length > 0) await this.driver.apply(wanted.map(toDriverPeer));
    this.#unwritten.clear();
    this.#mustCompare = false;
    this.#mayRemoveUnknown = false;
    const added = this.#added.filter((row) => this.table.has(row));
    const [removed, synced] = [this.#removed, this.#synced];
    this.#added = [];
    this.#removed = [];
    this.#synced = false;
    if (added.length > 0 || removed.length > 0 || synced) this.onApplied({ added, removed, synced });
    await this.#eraseIdle();
  }

  /** Runs last: nothing waits for it, and it must not bring back a peer that has just been removed. */
  async #eraseIdle(): Promise<void> {
    if (this.#idleSince === undefined) return;
    this.idleEndpointsErased += await this.driver.forgetHandshakesBefore(this.#idleSince);
    this.#idleSince = undefined;
  }

  /** Marks all peers that differ between driver and table. Unknown peers are removed only after a complete list. */
  async #markDifferences(): Promise<void> {
    const present = new Map((await this.driver.list()).map((peer) => [peer.publicKey, peer]));
    for (const peer of this.table.all()) {
      const found = present.get(peer.publicKey);
      present.delete(peer.publicKey);
      if (found !== undefined && isSamePeer(found, toDriverPeer(peer))) this.#unwritten.delete(peer.publicKey);
      else this.#markDrifted(peer.publicKey);
    }
    for (const publicKey of present.keys()) {
      if (this.#mayRemoveUnknown) this.#markDrifted(publicKey);
    }
  }

  #markDrifted(publicKey: string): void {
    if (this.#unwritten.has(publicKey)) return;
    this.#unwritten.add(publicKey);
    this.driftRepaired++;
  }
}

function toDriverPeer({ publicKey, presharedKey, allowedIps }: Peer) {
  return { publicKey, presharedKey, allowedIps };
}
