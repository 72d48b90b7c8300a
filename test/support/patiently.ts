import { setTimeout } from 'node:timers/promises';
import { isStoreOutage } from '../../src/platform/errors/index.js';

const pauseMs = 50;

/**
 * Asks again whenever the answer is that the stores are too busy, as that answer says. More requests at once than there are
 * connections to PostgreSQL wait for one, for two seconds at most: on a busy machine some are turned away, with nothing done.
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

/** The same for what asks the stores itself, and does all or nothing. */
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
