import { Acknowledger } from './acknowledger.js';
import { Backend, BackendError, type Fetch } from './backend.js';
import { type Credentials, type CredentialStore, MemoryCredentialStore, type Registration } from './credentials.js';
import { type Meter } from './meter.js';
import { isRefusal, NodeSession } from './node-session.js';
import { type PeerDriver } from './peer-driver.js';
import { type Applied, type Change, PeerWriter } from './peer-writer.js';
import { type NodeEvent } from './protocol.js';
import { PulseLoop } from './pulse-loop.js';
import { backoffMs, jittered, systemTiming, type Timing } from './timing.js';

export interface NodeAgentOptions {
  readonly backendUrl: string;
  readonly driver: PeerDriver;
  /** In memory when absent: every start then registers again. */
  readonly credentials?: CredentialStore;
  /** Read before each pulse; a load of 0 when absent. */
  readonly meter?: Meter;
  /** Whether the node can serve new connections. Called before each pulse; always true when absent. */
  readonly canServe?: () => boolean;
  readonly fetch?: Fetch;
  readonly timing?: Timing;
}

export interface EnrolOptions extends NodeAgentOptions {
  readonly enrolmentToken: string;
  readonly node: Registration;
}

export interface NodeAgentStatus {
  /** `refused`: the backend does not accept the credential. Peers stay until they expire. */
  readonly link: 'stopped' | 'connecting' | 'connected' | 'refused';
  /** The node's status at the backend, from the response to the last pulse. */
  readonly nodeStatus: string | undefined;
  /** An operator of the service drains the node. */
  readonly draining: boolean;
  /** The node itself accepts no new connections, because it drains or stops. */
  readonly leaving: boolean;
  readonly peers: number;
  readonly unacknowledged: number;
  /** Unix milliseconds. */
  readonly lastSyncAt: number | undefined;
  readonly lastPulseAt: number | undefined;
  readonly driftRepaired: number;
  readonly driverFailures: number;
  /** How many times an idle peer's endpoint and handshake time were erased. */
  readonly idleEndpointsErased: number;
  /** Number of invalid events and list entries. */
  readonly rejected: number;
}

const reconcileMs = 60_000;
const expiryCheckMs = 250;
const idleCheckMs = 30_000;
/** No session lives longer after its handshake (REJECT_AFTER_TIME, WireGuard whitepaper §6.1), so erasing ends no session. */
const idleAfterMs = 180_000;
const refusedDelayMs = 30_000;

/** A meter that measures nothing. */
const noMeter: Meter = { read: () => ({ load: 0 }), markReported: () => undefined };

/**
 * Keeps a node's peers in sync with the backend (protocol.md, "Nodes").
 *
 * The event stream begins with a snapshot of all peers and then sends changes. Once a minute the agent also fetches the whole
 * list and repairs differences. While the backend cannot be reached, existing peers stay until they expire by this node's
 * clock. An agent runs once: `start`, then `stop`, which leaves the peers in the driver.
 */
export class NodeAgent {
  readonly #backend: Backend;
  readonly #session: NodeSession;
  readonly #timing: Timing;
  readonly #pulses: PulseLoop;

  readonly #stopping = new AbortController();
  readonly #writer: PeerWriter;
  readonly #acknowledger: Acknowledger;
  #loops: Promise<unknown> | undefined;
  readonly #syncWaiters: (() => void)[] = [];

  #link: NodeAgentStatus['link'] = 'stopped';
  #lastSyncAt: number | undefined;
  #rejected = 0;
  #reconcileNow = new AbortController();
  /** Connections that the stream has changed since the current list request began; undefined when there is no such request. */
  #changedSinceListRequest: Set<string> | undefined;

  private constructor(
    options: NodeAgentOptions,
    store: CredentialStore,
    credentials: Credentials,
    /** Set when the node differs from what it registered with: the agent must report this to the backend. */
    private readonly changedRegistration: Registration | undefined,
  ) {
    const { driver, meter = noMeter, canServe = () => true, timing = systemTiming } = options;
    const { signal } = this.#stopping;
    this.#timing = timing;
    this.#backend = new Backend(options.backendUrl, options.fetch ?? globalThis.fetch, timing);
    this.#session = new NodeSession(store, credentials);
    this.#writer = new PeerWriter(driver, timing, signal, (applied) => this.#onApplied(applied));
    this.#acknowledger = new Acknowledger(
      (added, removed) => this.#session.request((node) => this.#backend.acknowledge(node, added, removed, signal)),
      timing,
      signal,
    );
    this.#pulses = new PulseLoop({
      backend: this.#backend,
      session: this.#session,
      timing,
      meter,
      canServe,
      peers: () => this.#writer.table.size,
      delayAfter: (failure, ordinaryMs) => this.#delayAfter(failure, ordinaryMs),
    });
  }

  /**
   * Creates the agent of this node: with the stored credentials, or else by registering the node and storing its credentials.
   * When the response to a registration is lost, the same enrolment token can be used again for ten minutes. When the node's
   * settings have changed, the running agent updates the registration. A changed key makes it another node, which registers.
   *
   * @throws {BackendError} `enrolment_token_invalid`, `node_exists`, `unreachable`, …
   */
  static async enrol(options: EnrolOptions): Promise<NodeAgent> {
    const { node, timing = systemTiming, fetch = globalThis.fetch } = options;
    const store = options.credentials ?? new MemoryCredentialStore();
    const stored = await store.load();
    if (stored?.registered.publicKey === node.publicKey) {
      return new NodeAgent(options, store, stored, isSame(stored.registered, node) ? undefined : node);
    }
    const backend = new Backend(options.backendUrl, fetch, timing);
    const credentials = await backend.register(options.enrolmentToken, node);
    await store.save(credentials);
    return new NodeAgent(options, store, credentials, undefined);
  }

  /** The node's id and the settings of its tunnel interface. */
  get node(): Pick<Credentials, 'id' | 'interface'> {
    const { id, interface: settings } = this.#session.current;
    return { id, interface: settings };
  }

  /** @param signal stops the agent when it is aborted */
  start(signal?: AbortSignal): void {
    if (this.#loops !== undefined) throw new Error('this agent has been started before');
    this.#link = 'connecting';
    this.#loops = Promise.all([
      this.#followEvents(),
      this.#pulses.run(this.#stopping.signal),
      this.#reconcile(),
      this.#updateRegistration(),
      this.#pushEvery(expiryCheckMs, () => ({ type: 'expired' })),
      this.#pushEvery(idleCheckMs, () => ({ type: 'idle', since: this.#timing.now() - idleAfterMs })),
    ]);
    if (signal?.aborted) void this.stop();
    signal?.addEventListener('abort', () => void this.stop(), { once: true });
  }

  /** Accepts no new connections from now on; existing ones stay. Resolves when the backend knows. */
  leave(): Promise<void> {
    return this.#pulses.leave();
  }

  /** Reconciles at once instead of at the next minute. */
  reconcile(): void {
    this.#reconcileNow.abort();
  }

  /** Resolves when all requests and driver calls have ended. The peers stay in the driver. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#reconcileNow.abort();
    await this.#loops;
    await this.#writer.idle();
    await this.#acknowledger.idle();
    this.#link = 'stopped';
  }

  /** Resolves when the backend's whole list has been applied for the first time. */
  async whenSynced(): Promise<void> {
    if (this.#lastSyncAt === undefined) await new Promise<void>((resolve) => this.#syncWaiters.push(resolve));
  }

  /** Only counts and times: no key, no address. */
  status(): NodeAgentStatus {
    const { nodeStatus, draining, leaving, lastPulseAt } = this.#pulses;
    const { table, driftRepaired, driverFailures, idleEndpointsErased } = this.#writer;
    return {
      link: this.#link,
      nodeStatus,
      draining,
      leaving,
      peers: table.size,
      unacknowledged: this.#acknowledger.pending,
      lastSyncAt: this.#lastSyncAt,
      lastPulseAt,
      driftRepaired,
      driverFailures,
      idleEndpointsErased,
      rejected: this.#rejected,
    };
  }

  async #followEvents(): Promise<void> {
    const { signal } = this.#stopping;
    for (let attempt = 0; !signal.aborted;) {
      let failure: unknown;
      const onEvent = (event: NodeEvent | undefined) => {
        if (event?.type === 'snapshot') {
          this.#link = 'connected';
          attempt = 0;
        }
        this.#onEvent(event);
      };
      try {
        await this.#session.request((node) => this.#backend.events(node, onEvent, signal));
      } catch (error) {
        failure = error;
      }
      this.#link = isRefusal(failure) ? 'refused' : 'connecting';
      await this.#timing.sleep(this.#delayAfter(failure, backoffMs(attempt++, this.#timing)), signal);
    }
  }

  async #reconcile(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await this.#timing.sleep(jittered(reconcileMs, this.#timing), this.#reconcileNow.signal);
      if (signal.aborted) return;
      this.#reconcileNow = new AbortController();
      const changed = (this.#changedSinceListRequest = new Set<string>());
      try {
        const list = await this.#session.request((node) => this.#backend.peers(node, signal));
        // A snapshot that arrived meanwhile is newer than this list.
        if (this.#changedSinceListRequest === changed) this.#writer.push({ type: 'list', list, except: changed });
        this.#rejected += list.rejected;
      } catch {
        // An error is never an empty list, but the driver can still be compared with the known peers.
        this.#writer.push({ type: 'verify' });
      } finally {
        this.#changedSinceListRequest = undefined;
      }
    }
  }

  /** Registers again with the node's own credential, when the node has changed since it registered. */
  async #updateRegistration(): Promise<void> {
    const { changedRegistration } = this;
    const { signal } = this.#stopping;
    for (let attempt = 0; changedRegistration !== undefined && !signal.aborted;) {
      try {
        const credentials = await this.#session.request(({ credential }) =>
          this.#backend.register(credential, changedRegistration),
        );
        return await this.#session.replace(credentials);
      } catch (error) {
        await this.#timing.sleep(this.#delayAfter(error, backoffMs(attempt++, this.#timing)), signal);
      }
    }
  }

  async #pushEvery(ms: number, change: () => Change): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#timing.sleep(ms, signal);
      this.#writer.push(change());
    }
  }

  #onEvent(event: NodeEvent | undefined): void {
    switch (event?.type) {
      case 'snapshot':
        this.#changedSinceListRequest = undefined;
        this.#rejected += event.list.rejected;
        this.#writer.push({ type: 'list', list: event.list, except: new Set() });
        break;
      case 'peer-added':
        this.#changedSinceListRequest?.add(event.peer.connectionId);
        this.#writer.push({ type: 'added', peer: event.peer });
        break;
      case 'peer-removed':
        this.#changedSinceListRequest?.add(event.removed.connectionId);
        this.#writer.push({ type: 'removed', removed: event.removed });
        break;
      case 'drain':
        this.#pulses.onDrainRequested();
        break;
      case undefined:
        this.#rejected++;
    }
  }

  #onApplied({ added, removed, synced }: Applied): void {
    this.#acknowledger.add(added, removed);
    if (!synced) return;
    this.#lastSyncAt = this.#timing.now();
    for (const resolve of this.#syncWaiters.splice(0)) resolve();
  }

  /** Waits longer after a refused credential: only an operator can change that. */
  #delayAfter(failure: unknown, ordinaryMs: number): number {
    if (isRefusal(failure)) return jittered(refusedDelayMs, this.#timing);
    return failure instanceof BackendError ? Math.max(failure.retryAfterMs, ordinaryMs) : ordinaryMs;
  }
}

function isSame(a: Registration, b: Registration): boolean {
  return (Object.keys({ ...a, ...b }) as (keyof Registration)[]).every((key) => a[key] === b[key]);
}
