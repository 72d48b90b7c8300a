import { setTimeout as sleep } from 'node:timers/promises';
import { type SeededRandom } from './random.js';

/** How the way to the backend treats messages; shares from 0 to 1. */
export interface DeliveryFaults {
  /** Share of messages that are never sent. */
  readonly drop?: number;
  /** Share of messages that are sent twice. */
  readonly duplicate?: number;
  /** Each message waits up to so many milliseconds, so that later ones overtake it. */
  readonly delayMs?: number;
  /** Messages are gathered until there are so many, and sent in any order. */
  readonly shuffle?: number;
}

/** A message that was refused is sent again after `firstMs`, then `factor` times as long each time. */
export interface RetryPolicy {
  readonly firstMs: number;
  readonly factor: number;
  /** How often in all; then it is given up. */
  readonly attempts: number;
}

export interface DeliveryOptions<M> {
  readonly random: SeededRandom;
  readonly retry: RetryPolicy;
  /** How many are under way at once. */
  readonly concurrency: number;
  /** @returns whether the backend accepted it. */
  readonly send: (message: M) => Promise<boolean>;
  /** Told once for each message that was accepted. */
  readonly accepted: (message: M) => void;
}

/** What a provider tells a backend: at least once, in order only while no delivery faults are set. */
export class Deliveries<M> {
  private readonly queue: { message: M; attempt: number }[] = [];
  private readonly waiting = new Set<{ message: M; attempt: number }>();
  private readonly stopped = new AbortController();
  private gathered: M[] = [];
  private held: M[] | undefined;
  private faults: DeliveryFaults = {};
  private active = 0;
  private unfinished = 0;
  private idle = Promise.withResolvers<void>();

  constructor(private readonly options: DeliveryOptions<M>) {}

  /** Sends it, unless messages are held. */
  add(message: M): void {
    if (this.held) {
      this.held.push(message);
      return;
    }
    const { random } = this.options;
    const { drop = 0, duplicate = 0, shuffle = 1 } = this.faults;
    if (drop > 0 && random.next() < drop) return;
    this.gathered.push(message);
    if (duplicate > 0 && random.next() < duplicate) this.gathered.push(message);
    if (this.gathered.length >= shuffle) this.flush();
  }

  /** Sends it as it is, held or not: a message that the provider is asked to send again. */
  addAtOnce(message: M): void {
    this.unfinished += 1;
    this.start({ message, attempt: 1 });
  }

  setFaults(faults: DeliveryFaults): void {
    this.flush();
    this.faults = faults;
  }

  /** From now on messages are kept instead of sent. */
  hold(): void {
    this.held ??= [];
  }

  /** Ends `hold`. @returns what was held, which is now the caller's to send, or not. */
  takeHeld(): M[] {
    const held = this.held ?? [];
    this.held = undefined;
    return held;
  }

  /** Does not wait for the time of the next attempt. */
  retryNow(): void {
    for (const delivery of this.waiting) this.start(delivery);
    this.waiting.clear();
  }

  /** Resolves when every message that was not dropped or held has been accepted or given up. */
  async settled(): Promise<void> {
    this.flush();
    while (this.unfinished > 0) await this.idle.promise;
  }

  close(): void {
    this.stopped.abort();
    this.queue.length = 0;
    this.waiting.clear();
    this.unfinished = 0;
    this.becomeIdle();
  }

  private flush(): void {
    const { random } = this.options;
    const { delayMs = 0, shuffle = 1 } = this.faults;
    const messages = shuffle > 1 ? random.shuffle(this.gathered) : this.gathered;
    this.gathered = [];
    for (const message of messages) {
      this.unfinished += 1;
      const delivery = { message, attempt: 1 };
      if (delayMs > 0) this.startLater(delivery, random.next() * delayMs);
      else this.start(delivery);
    }
  }

  private start(delivery: { message: M; attempt: number }): void {
    this.queue.push(delivery);
    this.pump();
  }

  private startLater(delivery: { message: M; attempt: number }, milliseconds: number): void {
    this.waiting.add(delivery);
    sleep(milliseconds, undefined, { ref: false, signal: this.stopped.signal }).then(
      () => this.waiting.delete(delivery) && this.start(delivery),
      () => undefined,
    );
  }

  private pump(): void {
    while (this.active < this.options.concurrency) {
      const delivery = this.queue.shift();
      if (!delivery) return;
      this.active += 1;
      void this.attempt(delivery).finally(() => {
        this.active -= 1;
        this.pump();
      });
    }
  }

  private async attempt(delivery: { message: M; attempt: number }): Promise<void> {
    const { send, accepted, retry } = this.options;
    const isAccepted = await send(delivery.message);
    if (this.stopped.signal.aborted) return;
    if (isAccepted) accepted(delivery.message);
    else if (delivery.attempt < retry.attempts) {
      const wait = retry.firstMs * retry.factor ** (delivery.attempt - 1);
      this.startLater({ message: delivery.message, attempt: delivery.attempt + 1 }, wait);
      return;
    }
    this.unfinished -= 1;
    if (this.unfinished === 0) this.becomeIdle();
  }

  private becomeIdle(): void {
    this.idle.resolve();
    this.idle = Promise.withResolvers();
  }
}
