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
  /** In memory when absent: then every start registers anew. */
  readonly credentials?: CredentialStore;
  /** Asked before each pulse; a load of 0 when absent. */
  readonly meter?: Meter;
  /** Whether the node can serve new connections, asked before each pulse; always, when absent. */
  readonly fit?: () => boolean;
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
  /** An operator drains the node. */
  readonly draining: boolean;
  /** The node is on its way out. */
  readonly leaving: boolean;
  readonly peers: number;
  readonly unacknowledged: number;
  /** Unix milliseconds. */
  readonly lastSyncAt: number | undefined;
  readonly lastPulseAt: number | undefined;
  readonly driftRepaired: number;
  readonly driverFailures: number;
  /** Times that an idle peer's endpoint and handshake were wiped. */
  readonly tracesWiped: number;
  /** Events and list entries that could not be read. */
  readonly rejected: number;
}

const reconcileMs = 60_000;
const expiryMs = 250;
const wipingMs = 30_000;
/** No session outlives its handshake for longer (REJECT_AFTER_TIME, WireGuard whitepaper §6.1): wiping costs nobody anything. */
const idleMs = 180_000;
const refusedWaitMs = 30_000;

/** Measures nothing. */
const noMeter: Meter = { read: () => ({ load: 0 }), reported: () => undefined };

/**
 * Keeps a node's peers as the backend says (protocol.md, "Nodes").
 *
 * Subscribe, then sync: the stream opens with a snapshot, and goes on with changes. Once a minute the whole list is asked
 * for as well, and what differs is put right. Losing the backend changes nothing for the peers that are there: they stay
 * until they expire, by this node's own clock. Runs once: `start`, then `stop`, which leaves the peers in the driver.
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
  readonly #waitingForSync: (() => void)[] = [];

  #link: NodeAgentStatus['link'] = 'stopped';
  #lastSyncAt: number | undefined;
  #rejected = 0;
  #reconcileSoon = new AbortController();
  /** Connections that the stream changed since the list under way was asked for; undefined when none is under way. */
  #changedSinceAsked: Set<string> | undefined;

  private constructor(
    options: NodeAgentOptions,
    store: CredentialStore,
    credentials: Credentials,
    /** What the backend is still to be told of this node. */
    private readonly news: Registration | undefined,
  ) {
    const { driver, meter = noMeter, fit = () => true, timing = systemTiming } = options;
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
      fit,
      peers: () => this.#writer.table.size,
      waitAfter: (failure, ordinaryMs) => this.#waitAfter(failure, ordinaryMs),
    });
  }

  /**
   * Makes an agent of this node: with the stored credentials, or else by registering and storing what it is given. When the
   * answer to a registration is lost, the same enrolment token may be used again for ten minutes. A node that is no longer
   * what it registered as says so once it runs; one with another key is another node, and registers.
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

  /** The node's id and how its interface is to be set up. */
  get node(): Pick<Credentials, 'id' | 'interface'> {
    const { id, interface: settings } = this.#session.current;
    return { id, interface: settings };
  }

  /** @param signal stops the agent when it is aborted */
  start(signal?: AbortSignal): void {
    if (this.#loops !== undefined) throw new Error('this agent has been started before');
    this.#link = 'connecting';
    this.#loops = Promise.all([
      this.#follow(),
      this.#pulses.run(this.#stopping.signal),
      this.#reconcile(),
      this.#announce(),
      this.#every(expiryMs, () => ({ type: 'expired' })),
      this.#every(wipingMs, () => ({ type: 'idle', since: this.#timing.now() - idleMs })),
    ]);
    if (signal?.aborted) void this.stop();
    signal?.addEventListener('abort', () => void this.stop(), { once: true });
  }

  /** Takes no new connections from now on; serves those it has. Resolves when the backend knows. */
  leave(): Promise<void> {
    return this.#pulses.leave();
  }

  /** Compares at once what otherwise is compared every minute. */
  reconcile(): void {
    this.#reconcileSoon.abort();
  }

  /** Resolves when nothing is under way any more. The peers stay in the driver. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#reconcileSoon.abort();
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
    const { nodeStatus, draining, leaving, lastPulseAt } = this.#pulses;
    const { table, driftRepaired, driverFailures, tracesWiped } = this.#writer;
    return {
      link: this.#link,
      nodeStatus,
      draining,
      leaving,
      peers: table.size,
      unacknowledged: this.#acknowledger.waiting,
      lastSyncAt: this.#lastSyncAt,
      lastPulseAt,
      driftRepaired,
      driverFailures,
      tracesWiped,
      rejected: this.#rejected,
    };
  }

  async #follow(): Promise<void> {
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
      await this.#timing.sleep(this.#waitAfter(failure, backoffMs(attempt++, this.#timing)), signal);
    }
  }

  async #reconcile(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await this.#timing.sleep(jittered(reconcileMs, this.#timing), this.#reconcileSoon.signal);
      if (signal.aborted) return;
      this.#reconcileSoon = new AbortController();
      const changed = (this.#changedSinceAsked = new Set<string>());
      try {
        const list = await this.#session.request((node) => this.#backend.peers(node, signal));
        // A snapshot that came meanwhile is newer than this list.
        if (this.#changedSinceAsked === changed) this.#writer.push({ type: 'list', list, except: changed });
        this.#rejected += list.rejected;
      } catch {
        // An error is never an empty list, but what is known already can be seen to. The next minute asks again.
        this.#writer.push({ type: 'doubtful' });
      } finally {
        this.#changedSinceAsked = undefined;
      }
    }
  }

  /** Says anew what this node is, when that has changed since it registered. */
  async #announce(): Promise<void> {
    const { news } = this;
    const { signal } = this.#stopping;
    for (let attempt = 0; news !== undefined && !signal.aborted;) {
      try {
        const told = await this.#session.request(({ credential }) => this.#backend.register(credential, news));
        return await this.#session.replace(told);
      } catch (error) {
        await this.#timing.sleep(this.#waitAfter(error, backoffMs(attempt++, this.#timing)), signal);
      }
    }
  }

  async #every(ms: number, change: () => Change): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#timing.sleep(ms, signal);
      this.#writer.push(change());
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
        this.#pulses.drainAsked();
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

  /** After a refusal there is no hurry. */
  #waitAfter(failure: unknown, ordinaryMs: number): number {
    if (isRefusal(failure)) return jittered(refusedWaitMs, this.#timing);
    return failure instanceof BackendError ? Math.max(failure.retryAfterMs, ordinaryMs) : ordinaryMs;
  }
}

function isSame(a: Registration, b: Registration): boolean {
  return (Object.keys({ ...a, ...b }) as (keyof Registration)[]).every((key) => a[key] === b[key]);
}
