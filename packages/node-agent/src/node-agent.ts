import { Acknowledger } from './acknowledger.js';
import { Backend, BackendError, type Fetch, type Registration } from './backend.js';
import { type Credentials, type CredentialStore, MemoryCredentialStore } from './credentials.js';
import { type PeerDriver } from './peer-driver.js';
import { type Applied, PeerWriter } from './peer-writer.js';
import { type NodeEvent } from './protocol.js';
import { backoffMs, jittered, systemTiming, type Timing } from './timing.js';

export interface NodeAgentOptions {
  readonly backendUrl: string;
  readonly driver: PeerDriver;
  /** In memory when absent: then every start registers anew. */
  readonly credentials?: CredentialStore;
  /** The node's load in percent, asked for before each pulse; 0 when absent. */
  readonly load?: () => number;
  readonly fetch?: Fetch;
  readonly timing?: Timing;
}

export interface EnrolOptions extends NodeAgentOptions {
  readonly enrolmentToken: string;
  readonly node: Registration;
}

export interface NodeAgentStatus {
  /** `refused`: the backend does not accept the credential. Peers are kept until they expire. */
  readonly link: 'stopped' | 'connecting' | 'connected' | 'refused';
  /** What the backend said of this node at the last pulse. */
  readonly nodeStatus: string | undefined;
  readonly draining: boolean;
  readonly peers: number;
  readonly unacknowledged: number;
  /** Unix milliseconds. */
  readonly lastSyncAt: number | undefined;
  readonly lastPulseAt: number | undefined;
  readonly driftRepaired: number;
  readonly driverFailures: number;
  /** Events and list entries that could not be read. */
  readonly rejected: number;
}

const firstPulseMs = 10_000;
const reconcileMs = 60_000;
const expiryMs = 1_000;
const refusedWaitMs = 30_000;

/**
 * Keeps a node's peers as the backend says (protocol.md, "Nodes").
 *
 * Subscribe, then sync: the stream opens with a snapshot, and goes on with changes. Once a minute the whole list is asked
 * for as well, and what differs is put right. Losing the backend changes nothing for the peers that are there: they stay
 * until they expire, by this node's own clock. Runs once: `start`, then `stop`, which leaves the peers in the driver.
 */
export class NodeAgent {
  readonly #backend: Backend;
  readonly #store: CredentialStore;
  readonly #timing: Timing;
  readonly #load: () => number;
  #credentials: Credentials;

  readonly #stopping = new AbortController();
  readonly #writer: PeerWriter;
  readonly #acknowledger: Acknowledger;
  #loops: Promise<unknown> | undefined;
  readonly #waitingForSync: (() => void)[] = [];

  #link: NodeAgentStatus['link'] = 'stopped';
  #nodeStatus: string | undefined;
  #draining = false;
  #drainsAsked = 0;
  #lastSyncAt: number | undefined;
  #lastPulseAt: number | undefined;
  #rejected = 0;
  /** Connections that the stream changed since the list under way was asked for; undefined when none is under way. */
  #changedSinceAsked: Set<string> | undefined;

  private constructor(options: NodeAgentOptions, store: CredentialStore, credentials: Credentials) {
    this.#timing = options.timing ?? systemTiming;
    this.#backend = new Backend(options.backendUrl, options.fetch ?? globalThis.fetch, this.#timing);
    this.#store = store;
    this.#credentials = credentials;
    this.#load = options.load ?? (() => 0);
    const { signal } = this.#stopping;
    this.#writer = new PeerWriter(options.driver, this.#timing, signal, (applied) => this.#onApplied(applied));
    this.#acknowledger = new Acknowledger(
      (added, removed) => this.#backend.acknowledge(this.#credentials, added, removed, signal),
      this.#timing,
      signal,
    );
  }

  /**
   * Makes an agent of this node: with the stored credentials, or else by registering and storing what it is given. When the
   * answer to a registration is lost, the same enrolment token may be used again for ten minutes.
   *
   * @throws {BackendError} `enrolment_token_invalid`, `node_exists`, `unreachable`, …
   */
  static async enrol(options: EnrolOptions): Promise<NodeAgent> {
    const store = options.credentials ?? new MemoryCredentialStore();
    const stored = await store.load();
    if (stored !== undefined) return new NodeAgent(options, store, stored);
    const backend = new Backend(options.backendUrl, options.fetch ?? globalThis.fetch, options.timing ?? systemTiming);
    const credentials = await backend.register(options.enrolmentToken, options.node);
    await store.save(credentials);
    return new NodeAgent(options, store, credentials);
  }

  /** The node's id and how its interface is to be set up. */
  get node(): Omit<Credentials, 'credential'> {
    const { id, interface: settings } = this.#credentials;
    return { id, interface: settings };
  }

  /** @param signal stops the agent when it is aborted */
  start(signal?: AbortSignal): void {
    if (this.#loops !== undefined) throw new Error('this agent has been started before');
    this.#link = 'connecting';
    this.#loops = Promise.all([this.#follow(), this.#pulse(), this.#reconcile(), this.#expire()]);
    if (signal?.aborted) void this.stop();
    signal?.addEventListener('abort', () => void this.stop(), { once: true });
  }

  /** Resolves when nothing is under way any more. The peers stay in the driver. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await this.#writer.idle();
    await this.#acknowledger.idle();
    this.#link = 'stopped';
  }

  /** Resolves when the driver has had the backend's whole list for the first time. */
  async whenSynced(): Promise<void> {
    if (this.#lastSyncAt === undefined) await new Promise<void>((resolve) => this.#waitingForSync.push(resolve));
  }

  /** Counts and times: no key, no address. */
  status(): NodeAgentStatus {
    return {
      link: this.#link,
      nodeStatus: this.#nodeStatus,
      draining: this.#draining,
      peers: this.#writer.table.size,
      unacknowledged: this.#acknowledger.waiting,
      lastSyncAt: this.#lastSyncAt,
      lastPulseAt: this.#lastPulseAt,
      driftRepaired: this.#writer.driftRepaired,
      driverFailures: this.#writer.driverFailures,
      rejected: this.#rejected,
    };
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    for (let attempt = 0; !signal.aborted;) {
      let failure: unknown;
      try {
        await this.#backend.events(
          this.#credentials,
          (event) => {
            if (event?.type === 'snapshot') {
              this.#link = 'connected';
              attempt = 0;
            }
            this.#onEvent(event);
          },
          signal,
        );
      } catch (error) {
        failure = error;
      }
      this.#link = isRefusal(failure) ? 'refused' : 'connecting';
      await this.#timing.sleep(await this.#waitAfter(failure, backoffMs(attempt++, this.#timing)), signal);
    }
  }

  async #pulse(): Promise<void> {
    const { signal } = this.#stopping;
    for (let interval = firstPulseMs; !signal.aborted;) {
      let failure: unknown;
      const drainsAsked = this.#drainsAsked;
      try {
        const currentLoad = Math.round(Math.min(100, Math.max(0, this.#load())));
        const peers = this.#writer.table.size;
        const { status, nextPulseMs } = await this.#backend.pulse(this.#credentials, { currentLoad, peers }, signal);
        interval = nextPulseMs;
        this.#nodeStatus = status;
        // A request to drain that came after this pulse had left is newer than its answer.
        this.#draining = status === 'draining' || this.#drainsAsked > drainsAsked;
        this.#lastPulseAt = this.#timing.now();
      } catch (error) {
        failure = error;
      }
      await this.#timing.sleep(await this.#waitAfter(failure, jittered(interval, this.#timing)), signal);
    }
  }

  async #reconcile(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await this.#timing.sleep(jittered(reconcileMs, this.#timing), signal);
      if (signal.aborted) return;
      const changed = (this.#changedSinceAsked = new Set<string>());
      try {
        const list = await this.#backend.peers(this.#credentials, signal);
        // A snapshot that came meanwhile is newer than this list.
        if (this.#changedSinceAsked === changed) this.#writer.push({ type: 'list', list, except: changed });
        this.#rejected += list.rejected;
      } catch {
        // An error is never an empty list. The next minute asks again.
      } finally {
        this.#changedSinceAsked = undefined;
      }
    }
  }

  async #expire(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#timing.sleep(expiryMs, signal);
      this.#writer.push({ type: 'expired' });
    }
  }

  #onEvent(event: NodeEvent | undefined): void {
    switch (event?.type) {
      case 'snapshot':
        this.#changedSinceAsked = undefined;
        this.#rejected += event.list.rejected;
        this.#writer.push({ type: 'list', list: event.list, except: new Set() });
        break;
      case 'peer-added':
        this.#changedSinceAsked?.add(event.peer.connectionId);
        this.#writer.push({ type: 'added', peer: event.peer });
        break;
      case 'peer-removed':
        this.#changedSinceAsked?.add(event.removed.connectionId);
        this.#writer.push({ type: 'removed', removed: event.removed });
        break;
      case 'drain':
        this.#drainsAsked++;
        this.#draining = true;
        break;
      case undefined:
        this.#rejected++;
    }
  }

  #onApplied({ added, removed, synced }: Applied): void {
    this.#acknowledger.add(added, removed);
    if (!synced) return;
    this.#lastSyncAt = this.#timing.now();
    for (const resolve of this.#waitingForSync.splice(0)) resolve();
  }

  /** After a refusal there is no hurry, unless another credential has been stored meanwhile. */
  async #waitAfter(failure: unknown, ordinaryMs: number): Promise<number> {
    if (isRefusal(failure)) {
      const refused = this.#credentials;
      this.#credentials = (await this.#store.load().catch(() => undefined)) ?? refused;
      if (this.#credentials.credential === refused.credential) return jittered(refusedWaitMs, this.#timing);
    }
    return failure instanceof BackendError ? Math.max(failure.retryAfterMs, ordinaryMs) : ordinaryMs;
  }
}

function isRefusal(failure: unknown): boolean {
  return failure instanceof BackendError && failure.refused;
}
