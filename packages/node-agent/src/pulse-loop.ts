import { type Backend } from './backend.js';
import { type Meter } from './meter.js';
import { type NodeSession } from './node-session.js';
import { jittered, type Timing } from './timing.js';

export interface PulseLoopOptions {
  readonly backend: Backend;
  readonly session: NodeSession;
  readonly timing: Timing;
  readonly meter: Meter;
  readonly peers: () => number;
  /** Whether the node can serve new connections. */
  readonly canServe: () => boolean;
  /** Milliseconds to wait before the next pulse; `failure` is undefined after a success. */
  readonly delayAfter: (failure: unknown, ordinaryMs: number) => number;
}

const firstPulseMs = 10_000;

/** Sends pulses at the interval that the backend sets: the node is alive, its load, whether it accepts new connections. */
export class PulseLoop {
  /** The node's status at the backend, from the response to the last pulse. */
  nodeStatus: string | undefined;
  lastPulseAt: number | undefined;
  #leaving = false;
  #drainRequested = false;
  #drainRequests = 0;
  #pulseNow = new AbortController();
  #leaveWaiters: (() => void)[] = [];

  constructor(private readonly options: PulseLoopOptions) {}

  get draining(): boolean {
    return this.#drainRequested;
  }

  get leaving(): boolean {
    return this.#leaving;
  }

  /** An operator of the service drains this node. */
  onDrainRequested(): void {
    this.#drainRequests++;
    this.#drainRequested = true;
  }

  /** Accepts no new connections from now on. Resolves when the backend knows. */
  async leave(): Promise<void> {
    this.#leaving = true;
    const acknowledged = new Promise<void>((resolve) => this.#leaveWaiters.push(resolve));
    this.#pulseNow.abort();
    await acknowledged;
  }

  async run(stop: AbortSignal): Promise<void> {
    const { timing, delayAfter } = this.options;
    stop.addEventListener('abort', () => this.#pulseNow.abort());
    for (let interval = firstPulseMs; !stop.aborted;) {
      let failure: unknown;
      try {
        interval = await this.#pulse(stop);
      } catch (error) {
        failure = error;
      }
      const wait = delayAfter(failure, jittered(interval, timing));
      await timing.sleep(wait, this.#pulseNow.signal);
      this.#pulseNow = new AbortController();
    }
  }

  /** @returns milliseconds until the next pulse */
  async #pulse(stop: AbortSignal): Promise<number> {
    const { backend, session, meter, peers, canServe, timing } = this.options;
    const [leaving, drainRequests] = [this.#leaving, this.#drainRequests];
    const reading = meter.read();
    const { status, nextPulseMs } = await session.request((node) =>
      backend.pulse(node, { ...reading, peers: peers(), accepting: !leaving && canServe() }, stop),
    );
    meter.markReported(reading);
    this.nodeStatus = status;
    // A drain request that arrived during this pulse is newer than the response.
    this.#drainRequested = status === 'draining' || this.#drainRequests > drainRequests;
    this.lastPulseAt = timing.now();
    if (leaving) for (const resolve of this.#leaveWaiters.splice(0)) resolve();
    return nextPulseMs;
  }
}
