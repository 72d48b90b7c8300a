import { VpnApiError } from './errors.js';

const maxAttempts = 4;
const firstDelayMs = 300;
/** A longer `retry-after` than this is not waited for. */
const maxDelayMs = 10_000;

/** Whether the same request may soon succeed: there was no answer, a server error, or a rate limit. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof VpnApiError) || error.code === 'no_capacity') return false;
  return error.code === 'unreachable' || error.code === 'rate_limited' || error.status >= 500;
}

/**
 * Repeats a request that is safe to repeat, after random, growing delays or those that the service asks for.
 *
 * @throws the last error; the signal's abort reason
 */
export async function retrying<T>(request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      const delay = delayMs(error, attempt);
      if (attempt === maxAttempts || !isTransient(error) || delay > maxDelayMs) throw error;
      await pause(delay, signal);
    }
  }
}

function delayMs(error: unknown, attempt: number): number {
  if (error instanceof VpnApiError && error.retryAfter !== undefined) return error.retryAfter * 1000;
  return firstDelayMs * 2 ** attempt * Math.random();
}

/** @throws the signal's abort reason */
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
