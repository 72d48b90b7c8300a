import { setTimeout } from 'node:timers/promises';
import { isStoreOutage } from '../../src/platform/errors/index.js';

const pauseMs = 50;

/**
 * Repeats a request while the answer is 503 `unavailable`. When there are more requests than database connections, a request
 * waits for a connection for two seconds at most. On a busy machine some requests are therefore refused, without any effect.
 */
export async function patiently(request: () => Promise<Response>): Promise<Response> {
  for (;;) {
    const response = await request();
    if (response.status !== 503) return response;
    const { code } = (await response.clone().json()) as { code?: string };
    if (code !== 'unavailable') return response;
    await setTimeout(pauseMs);
  }
}

/** Repeats an action that uses the stores directly while they are too busy. The action must do all or nothing. */
export async function whenNotBusy<T>(action: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!isStoreOutage(error)) throw error;
      await setTimeout(pauseMs);
    }
  }
}
