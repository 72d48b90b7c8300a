import { type Timing } from '../src/timing.js';

interface Sleeper {
  readonly due: number;
  readonly finish: () => void;
}

/** Time that a test advances, without jitter (`random` is 0.5). */
export class ManualTiming implements Timing {
  #now = Date.parse('2029-12-31T00:00:00.000Z');
  readonly #sleepers = new Set<Sleeper>();

  now(): number {
    return this.#now;
  }

  random(): number {
    return 0.5;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const finish = () => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const sleeper = { due: this.#now + ms, finish };
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', finish);
    });
  }

  /** Ends all sleeps that are due within `ms`, in order, each at its own time. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.#sleepers].toSorted((a, b) => a.due - b.due)[0];
      if (next === undefined || next.due > end) break;
      this.#now = Math.max(this.#now, next.due);
      next.finish();
      // Lets the code that slept run on, and perhaps sleep again.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#now = end;
  }
}
