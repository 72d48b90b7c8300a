import { type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a provider fails. */
export type Fault =
  /** The connection is cut before anything is done. */
  | { readonly kind: 'refuse' }
  /** Never answered. */
  | { readonly kind: 'hang' }
  /** What was asked is done, and the connection is cut before the answer. */
  | { readonly kind: 'lose-answer' }
  /** Done and answered after so many milliseconds, or when the faults are cleared. */
  | { readonly kind: 'slow'; readonly milliseconds: number }
  /** Done at once, and the answer is under way for so many milliseconds, or until the faults are cleared: what it says is old then. */
  | { readonly kind: 'late-answer'; readonly milliseconds: number }
  /** Refused with this HTTP status, in the provider's own words. */
  | { readonly kind: 'status'; readonly status: 400 | 429 | 500 | 503 };

export interface FaultScope {
  /** For how many requests; for all of them by default. */
  readonly times?: number;
  /** Only where `METHOD /path` matches. */
  readonly on?: RegExp;
}

/** How many requests of one kind have come. */
export interface RequestCount {
  readonly count: number;
}

/** The faults that were asked for; the latest one that fits a request strikes it. */
export class Faults {
  private cleared = new AbortController();
  private readonly rules: { fault: Fault; on: RegExp; left: number }[] = [];
  private readonly counts: (RequestCount & { readonly on: RegExp; count: number })[] = [];
  /** How many requests a fault holds up at this moment. */
  held = 0;

  inject(fault: Fault, { times = Infinity, on = /^/ }: FaultScope = {}): void {
    this.rules.unshift({ fault, on, left: times });
  }

  clear(): void {
    this.rules.length = 0;
    this.cleared.abort();
    this.cleared = new AbortController();
  }

  /** What a request that is `slow`, or an answer that is late, waits for. */
  async wait(milliseconds: number): Promise<void> {
    this.held += 1;
    await sleep(milliseconds, undefined, { ref: false, signal: this.cleared.signal }).catch(() => undefined);
    this.held -= 1;
  }

  /** Never answers it; its caller gives up some time. */
  hang({ socket }: IncomingMessage): void {
    this.held += 1;
    socket.once('close', () => (this.held -= 1));
  }

  /** Counts the requests where `METHOD /path` matches, from now on. */
  countRequests(on: RegExp): RequestCount {
    const watch = { on, count: 0 };
    this.counts.push(watch);
    return watch;
  }

  strike(request: string): Fault | undefined {
    for (const watch of this.counts) if (watch.on.test(request)) watch.count += 1;
    const rule = this.rules.find(({ on, left }) => left > 0 && on.test(request));
    if (rule) rule.left -= 1;
    return rule?.fault;
  }
}
