/** The agent's clock, timers and random numbers; tests replace them. */
export interface Timing {
  /** Unix milliseconds. */
  now(): number;
  /** Resolves after `ms`, or at once when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** At least 0, less than 1. */
  random(): number;
}

export const systemTiming: Timing = {
  now: () => Date.now(),
  random: () => Math.random(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const finish = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      signal.addEventListener('abort', finish);
    }),
};

const firstDelayMs = 250;
const maxDelayMs = 30_000;

/** Exponential backoff with full jitter, so that nodes that lost the backend together do not reconnect together. */
export function backoffMs(attempt: number, { random }: Pick<Timing, 'random'>): number {
  return Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(attempt, 16)) * random();
}

/** Up to a tenth more or less than `ms`. */
export function jittered(ms: number, { random }: Pick<Timing, 'random'>): number {
  return ms * (0.9 + 0.2 * random());
}
