import { type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** A way in which a provider fails. */
export type Fault =
  /** Cuts the connection and does not execute the request. */
  | { readonly kind: 'refuse' }
  /** Never answers. */
  | { readonly kind: 'hang' }
  /** Executes the request, then cuts the connection before the response. */
  | { readonly kind: 'lose-answer' }
  /** Executes and answers the request after this delay, or when the faults are cleared. */
  | { readonly kind: 'slow'; readonly milliseconds: number }
  /** Executes the request at once, but delays the response, which can be outdated then. `clearFaults` ends the delay. */
  | { readonly kind: 'late-answer'; readonly milliseconds: number }
  /** Refuses with this HTTP status, in the provider's own error format. */
  | { readonly kind: 'status'; readonly status: 400 | 429 | 500 | 503 };

export interface FaultScope {
  /** The number of requests that fail; all of them by default. */
  readonly times?: number;
  /** Matched against `METHOD /path`; every request by default. */
  readonly on?: RegExp;
}

/** The number of matching requests so far. */
export interface RequestCount {
  readonly count: number;
}

/** The injected faults. The latest one that matches a request applies. */
export class Faults {
  private cleared = new AbortController();
  private readonly rules: { fault: Fault; on: RegExp; left: number }[] = [];
  private readonly counts: (RequestCount & { readonly on: RegExp; count: number })[] = [];
  /** The number of requests that a fault keeps waiting now. */
  requestsHeld = 0;

  inject(fault: Fault, { times = Infinity, on = /^/ }: FaultScope = {}): void {
    this.rules.unshift({ fault, on, left: times });
  }

  clear(): void {
    this.rules.length = 0;
    this.cleared.abort();
    this.cleared = new AbortController();
  }

  /** Waits as `slow` and `late-answer` demand. */
  async delay(milliseconds: number): Promise<void> {
    this.requestsHeld += 1;
    await sleep(milliseconds, undefined, { ref: false, signal: this.cleared.signal }).catch(() => undefined);
    this.requestsHeld -= 1;
  }

  /** Never answers; the request counts as held until its client disconnects. */
  leaveUnanswered({ socket }: IncomingMessage): void {
    this.requestsHeld += 1;
    socket.once('close', () => (this.requestsHeld -= 1));
  }

  /** Counts all later requests whose `METHOD /path` matches. */
  countRequests(on: RegExp): RequestCount {
    const counter = { on, count: 0 };
    this.counts.push(counter);
    return counter;
  }

  /** Counts the request. @param request `METHOD /path`. @returns its fault, which this call uses up once. */
  takeFault(request: string): Fault | undefined {
    for (const counter of this.counts) if (counter.on.test(request)) counter.count += 1;
    const rule = this.rules.find(({ on, left }) => left > 0 && on.test(request));
    if (rule) rule.left -= 1;
    return rule?.fault;
  }
}
