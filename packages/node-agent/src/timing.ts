/** The agent's clock, alarm and dice; tests give their own. */
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
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener('abort', wake);
    }),
};

const firstDelayMs = 250;
const longestDelayMs = 30_000;

/** Exponential, with full jitter: a fleet that lost its backend together does not come back together. */
export function backoffMs(attempt: number, { random }: Pick<Timing, 'random'>): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(attempt, 16)) * random();
}

/** Within a tenth of `ms`, either way. */
export function jittered(ms: number, { random }: Pick<Timing, 'random'>): number {
  return ms * (0.9 + 0.2 * random());
}
