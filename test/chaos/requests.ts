import { setTimeout } from 'node:timers/promises';

/** The status and body of a response. Status 0 means that no response arrived. */
export interface Answer {
  readonly status: number;
  readonly code?: string;
}

/** Opens a new connection for every request: a kept-alive one may have died with the last kill. */
export async function send<A extends Answer>(url: string, init: RequestInit): Promise<A> {
  try {
    const response = await fetch(url, { ...init, headers: { ...init.headers, connection: 'close' } });
    const text = await response.text();
    // Overwrites the body's `status`: it repeats the HTTP status, or is the status of a connection.
    return { ...(text === '' ? {} : (JSON.parse(text) as object)), status: response.status } as A;
  } catch {
    return { status: 0 } as A;
  }
}

/** False when the client should retry. */
export const isFinal = ({ status }: Answer): boolean => status !== 0 && status !== 503;

/** Waits between retries, as clients do, so that retries don't overload a service that is starting. */
export const shortPause = () => setTimeout(50 * Math.random());

/** Repeats a request, at one URL after the other, until the answer is final. */
export async function retryUntilAnswered<A extends Answer>(
  urls: readonly string[],
  request: (url: string) => Promise<A>,
  firstUrl = 0,
): Promise<A> {
  for (let attempt = firstUrl; ; attempt += 1) {
    const answer = await request(urls[attempt % urls.length] ?? '');
    if (isFinal(answer)) return answer;
    await shortPause();
  }
}

/** Runs at most `concurrency` items at a time. The results are in the order of the items. */
export async function inParallel<T, R>(
  concurrency: number,
  items: readonly T[],
  run: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await run(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return results;
}
