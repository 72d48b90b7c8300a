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
  readonly fit: () => boolean;
  /** How long to wait after a failure, instead of an ordinary interval. */
  readonly waitAfter: (failure: unknown, ordinaryMs: number) => number;
}

const firstPulseMs = 10_000;

/** Says every ten seconds that the node lives, how busy it is, and whether it takes new connections. */
export class PulseLoop {
  /** What the backend said of this node at the last pulse. */
  nodeStatus: string | undefined;
  lastPulseAt: number | undefined;
  #leaving = false;
  #drainAsked = false;
  #drainsAsked = 0;
  #hurry = new AbortController();
  #toldToLeave: (() => void)[] = [];

  constructor(private readonly options: PulseLoopOptions) {}

  get draining(): boolean {
    return this.#drainAsked;
  }

  get leaving(): boolean {
    return this.#leaving;
  }

  /** An operator drains this node. */
  drainAsked(): void {
    this.#drainsAsked++;
    this.#drainAsked = true;
  }

  /** Takes nothing new from now on. Resolves when the backend knows. */
  async leave(): Promise<void> {
    this.#leaving = true;
    const told = new Promise<void>((resolve) => this.#toldToLeave.push(resolve));
    this.#hurry.abort();
    await told;
  }

  async run(stop: AbortSignal): Promise<void> {
    const { timing, waitAfter } = this.options;
    stop.addEventListener('abort', () => this.#hurry.abort());
    for (let interval = firstPulseMs; !stop.aborted;) {
      let failure: unknown;
      try {
        interval = await this.#pulse(stop);
      } catch (error) {
        failure = error;
      }
      const wait = waitAfter(failure, jittered(interval, timing));
      await timing.sleep(wait, this.#hurry.signal);
      this.#hurry = new AbortController();
    }
  }

  /** @returns milliseconds until the next one */
  async #pulse(stop: AbortSignal): Promise<number> {
    const { backend, session, meter, peers, fit, timing } = this.options;
    const [leaving, drainsAsked] = [this.#leaving, this.#drainsAsked];
    const reading = meter.read();
    const { status, nextPulseMs } = await session.request((node) =>
      backend.pulse(node, { ...reading, peers: peers(), accepting: !leaving && fit() }, stop),
    );
    meter.reported(reading);
    this.nodeStatus = status;
    // A request to drain that came after this pulse had left is newer than its answer.
    this.#drainAsked = status === 'draining' || this.#drainsAsked > drainsAsked;
    this.lastPulseAt = timing.now();
    if (leaving) for (const resolve of this.#toldToLeave.splice(0)) resolve();
    return nextPulseMs;
  }
}
