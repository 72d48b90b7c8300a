import { setTimeout as sleep } from 'node:timers/promises';
import { type SeededRandom } from './random.js';

/** What goes wrong between the provider and the backend. Shares are from 0 to 1. */
export interface DeliveryFaults {
  /** Share of messages that are never sent. */
  readonly drop?: number;
  /** Share of messages that are sent twice. */
  readonly duplicate?: number;
  /** Each message is delayed by a random time of up to this many milliseconds, so that later messages can overtake it. */
  readonly delayMs?: number;
  /** Messages are buffered until there are this many, then sent in random order. */
  readonly shuffle?: number;
}

/** The first retry of a refused message comes after `firstMs`. Each later wait is `factor` times as long. */
export interface RetryPolicy {
  readonly firstMs: number;
  readonly factor: number;
  /** The maximum number of attempts, the first one included. */
  readonly attempts: number;
}

export interface DeliveryOptions<M> {
  readonly random: SeededRandom;
  readonly retry: RetryPolicy;
  /** The maximum number of messages that are sent at the same time. */
  readonly concurrency: number;
  /** @returns whether the backend accepted the message. */
  readonly send: (message: M) => Promise<boolean>;
  /** Called each time the backend accepts a message. */
  readonly onAccepted: (message: M) => void;
}

/** The messages from a provider to a backend: at-least-once delivery, ordered only while no delivery faults are set. */
export class Deliveries<M> {
  private readonly queue: { message: M; attempt: number }[] = [];
  private readonly delayed = new Set<{ message: M; attempt: number }>();
  private readonly closing = new AbortController();
  private shuffleBuffer: M[] = [];
  private held: M[] | undefined;
  private faults: DeliveryFaults = {};
  private inFlight = 0;
  private unfinished = 0;
  private idle = Promise.withResolvers<void>();

  constructor(private readonly options: DeliveryOptions<M>) {}

  /** Sends the message, or keeps it while deliveries are held. */
  enqueue(message: M): void {
    if (this.held) {
      this.held.push(message);
      return;
    }
    const { random } = this.options;
    const { drop = 0, duplicate = 0, shuffle = 1 } = this.faults;
    if (drop > 0 && random.next() < drop) return;
    this.shuffleBuffer.push(message);
    if (duplicate > 0 && random.next() < duplicate) this.shuffleBuffer.push(message);
    if (this.shuffleBuffer.length >= shuffle) this.flush();
  }

  /** Sends the message at once: it skips the hold and the delivery faults. For a manual resend. */
  sendNow(message: M): void {
    this.unfinished += 1;
    this.start({ message, attempt: 1 });
  }

  setFaults(faults: DeliveryFaults): void {
    this.flush();
    this.faults = faults;
  }

  /** Keeps all later messages instead of sending them. */
  hold(): void {
    this.held ??= [];
  }

  /** Ends `hold`. @returns the held messages. The caller decides which of them to send. */
  takeHeld(): M[] {
    const held = this.held ?? [];
    this.held = undefined;
    return held;
  }

  /** Starts all waiting messages now: retries, and messages that `delayMs` delays. */
  retryNow(): void {
    for (const delivery of this.delayed) this.start(delivery);
    this.delayed.clear();
  }

  /** Resolves when every message that is neither dropped nor held was accepted or has used up its attempts. */
  async settled(): Promise<void> {
    this.flush();
    while (this.unfinished > 0) await this.idle.promise;
  }

  close(): void {
    this.closing.abort();
    this.queue.length = 0;
    this.delayed.clear();
    this.unfinished = 0;
    this.markIdle();
  }

  private flush(): void {
    const { random } = this.options;
    const { delayMs = 0, shuffle = 1 } = this.faults;
    const messages = shuffle > 1 ? random.shuffle(this.shuffleBuffer) : this.shuffleBuffer;
    this.shuffleBuffer = [];
    for (const message of messages) {
      this.unfinished += 1;
      const delivery = { message, attempt: 1 };
      if (delayMs > 0) this.startAfter(delivery, random.next() * delayMs);
      else this.start(delivery);
    }
  }

  private start(delivery: { message: M; attempt: number }): void {
    this.queue.push(delivery);
    this.pump();
  }

  private startAfter(delivery: { message: M; attempt: number }, milliseconds: number): void {
    this.delayed.add(delivery);
    sleep(milliseconds, undefined, { ref: false, signal: this.closing.signal }).then(
      () => this.delayed.delete(delivery) && this.start(delivery),
      () => undefined,
    );
  }

  private pump(): void {
    while (this.inFlight < this.options.concurrency) {
      const delivery = this.queue.shift();
      if (!delivery) return;
      this.inFlight += 1;
      void this.attempt(delivery).finally(() => {
        this.inFlight -= 1;
        this.pump();
      });
    }
  }

  private async attempt(delivery: { message: M; attempt: number }): Promise<void> {
    const { send, onAccepted, retry } = this.options;
    const isAccepted = await send(delivery.message);
    if (this.closing.signal.aborted) return;
    if (isAccepted) onAccepted(delivery.message);
    else if (delivery.attempt < retry.attempts) {
      const wait = retry.firstMs * retry.factor ** (delivery.attempt - 1);
      this.startAfter({ message: delivery.message, attempt: delivery.attempt + 1 }, wait);
      return;
    }
    this.unfinished -= 1;
    if (this.unfinished === 0) this.markIdle();
  }

  private markIdle(): void {
    this.idle.resolve();
    this.idle = Promise.withResolvers();
  }
}
