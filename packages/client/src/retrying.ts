import { VpnApiError } from './errors.js';

const attempts = 4;
const firstDelayMs = 300;
/** What the service asks to wait is waited for, up to this. */
const longestDelayMs = 10_000;

/** No answer, or one that a service on its feet would not have given; or too many requests at once. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof VpnApiError) || error.code === 'no_capacity') return false;
  return error.code === 'unreachable' || error.code === 'rate_limited' || error.status >= 500;
}

/**
 * Repeats a request that is safe to repeat, with growing, random pauses or those that the service asks for.
 *
 * @throws the last error; what the signal was aborted with
 */
export async function retrying<T>(request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      const delay = delayMs(error, attempt);
      if (attempt === attempts || !isTransient(error) || delay > longestDelayMs) throw error;
      await pause(delay, signal);
    }
  }
}

function delayMs(error: unknown, attempt: number): number {
  if (error instanceof VpnApiError && error.retryAfter !== undefined) return error.retryAfter * 1000;
  return firstDelayMs * 2 ** attempt * Math.random();
}

/** @throws what the signal was aborted with */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
  signal?.throwIfAborted();
}
