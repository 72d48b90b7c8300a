import { type PeerDriver, samePeer } from './peer-driver.js';
import { PeerTable } from './peer-table.js';
import { type ConnectionRevision, type Peer, type PeerList } from './protocol.js';
import { backoffMs, type Timing } from './timing.js';

export type Change =
  | { readonly type: 'added'; readonly peer: Peer }
  | { readonly type: 'removed'; readonly removed: ConnectionRevision }
  | { readonly type: 'list'; readonly list: PeerList; readonly except: ReadonlySet<string> }
  | { readonly type: 'expired' }
  /** The driver may have lost peers: those of the table are to be there. */
  | { readonly type: 'doubtful' }
  /** Traces of peers not heard since then are to go. */
  | { readonly type: 'idle'; readonly since: number };

/** What the driver now has, to be told to the backend. */
export interface Applied {
  readonly added: readonly ConnectionRevision[];
  readonly removed: readonly ConnectionRevision[];
  /** A whole list was among the changes. */
  readonly synced: boolean;
}

/**
 * The one writer: every change of the driver goes through its queue. What has arrived by the time the driver is free is one
 * batch, so a burst of thousands costs a handful of driver calls.
 *
 * The table says what should be; the driver is told only the differences. A driver call that fails is made again, and
 * nothing is reported as applied before it is.
 */
export class PeerWriter {
  readonly table = new PeerTable();
  /** Peers found in the driver otherwise than they were left, and put right. */
  driftRepaired = 0;
  driverFailures = 0;
  /** Times that an idle peer's endpoint and handshake were wiped. */
  tracesWiped = 0;

  #queue: Change[] = [];
  #running: Promise<void> | undefined;
  /** Public keys whose peers the driver may not have as the table does. */
  readonly #unwritten = new Set<string>();
  #added: ConnectionRevision[] = [];
  #removed: ConnectionRevision[] = [];
  #synced = false;
  /** The driver's peers are to be compared with the table. */
  #mustList = false;
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
    // After the events of the same chunk, which come in the same turn.
    this.#running ??= Promise.resolve().then(() => this.#run());
  }

  /** Resolves when everything pushed so far has been written, or the writer was stopped. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let attempt = 0; this.#hasWork() && !this.signal.aborted;) {
      const changes = this.#queue;
      this.#queue = [];
      for (const change of changes) this.#take(change);
      try {
        await this.#write();
        attempt = 0;
      } catch {
        // The driver's message may hold keys and addresses: it is counted, not passed on.
        this.driverFailures++;
        this.#mustList = true;
        // Comes again by itself.
        this.#idleSince = undefined;
        await this.timing.sleep(backoffMs(attempt++, this.timing), this.signal);
      }
    }
    this.#running = undefined;
  }

  #hasWork(): boolean {
    return this.#queue.length > 0 || this.#unwritten.size > 0 || this.#mustList;
  }

  #take(change: Change): void {
    const now = this.timing.now();
    switch (change.type) {
      case 'added':
        if (change.peer.expiresAt > now) this.#takeAdded(change.peer);
        break;
      case 'removed':
        this.#mark(this.table.remove(change.removed));
        // Acknowledged even when it was not held: the backend waits to give its slot away.
        this.#removed.push(change.removed);
        break;
      case 'list': {
        const alive = change.list.peers.filter(({ expiresAt }) => expiresAt > now);
        this.#mark(this.table.replace(alive, change.list.complete, change.except));
        this.#added.push(...alive.filter(({ pending, connectionId }) => pending && !change.except.has(connectionId)));
        this.#synced = true;
        this.#mustList = true;
        this.#mayRemoveUnknown = change.list.complete;
        break;
      }
      case 'expired':
        this.#mark(this.table.expire(now));
        break;
      case 'doubtful':
        this.#mustList = true;
        break;
      case 'idle':
        this.#idleSince = change.since;
    }
  }

  #takeAdded(peer: Peer): void {
    this.#mark(this.table.add(peer));
    this.#added.push(peer);
  }

  #mark(publicKeys: readonly string[]): void {
    for (const publicKey of publicKeys) this.#unwritten.add(publicKey);
  }

  async #write(): Promise<void> {
    if (this.#mustList) await this.#compare();
    const gone = [...this.#unwritten].filter((publicKey) => this.table.withKey(publicKey) === undefined);
    const wanted = [...this.#unwritten]
      .map((publicKey) => this.table.withKey(publicKey))
      .filter((peer) => peer !== undefined);
    // Removals first: they free addresses.
    if (gone.length > 0) await this.driver.remove(gone);
    if (wanted.length > 0) await this.driver.apply(wanted.map(toDriverPeer));
    this.#unwritten.clear();
    this.#mustList = false;
    this.#mayRemoveUnknown = false;
    const added = this.#added.filter((row) => this.table.holds(row));
    const [removed, synced] = [this.#removed, this.#synced];
    this.#added = [];
    this.#removed = [];
    this.#synced = false;
    if (added.length > 0 || removed.length > 0 || synced) this.onApplied({ added, removed, synced });
    await this.#forgetIdle();
  }

  /** Last: nobody waits for it, and it must not bring back a peer that has just been removed. */
  async #forgetIdle(): Promise<void> {
    if (this.#idleSince === undefined) return;
    this.tracesWiped += await this.driver.forgetHandshakesBefore(this.#idleSince);
    this.#idleSince = undefined;
  }

  /** Marks whatever the driver has otherwise than the table. Peers nobody knows go only on a complete list's word. */
  async #compare(): Promise<void> {
    const present = new Map((await this.driver.list()).map((peer) => [peer.publicKey, peer]));
    for (const peer of this.table.all()) {
      const found = present.get(peer.publicKey);
      present.delete(peer.publicKey);
      if (found !== undefined && samePeer(found, toDriverPeer(peer))) this.#unwritten.delete(peer.publicKey);
      else this.#drifted(peer.publicKey);
    }
    for (const publicKey of present.keys()) {
      if (this.#mayRemoveUnknown) this.#drifted(publicKey);
    }
  }

  #drifted(publicKey: string): void {
    if (this.#unwritten.has(publicKey)) return;
    this.#unwritten.add(publicKey);
    this.driftRepaired++;
  }
}

function toDriverPeer({ publicKey, presharedKey, allowedIps }: Peer) {
  return { publicKey, presharedKey, allowedIps };
}
