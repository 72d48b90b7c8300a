import { setTimeout } from 'node:timers/promises';

/** What came back; status 0 when nothing did. */
export interface Answer {
  readonly status: number;
  readonly code?: string;
}

/** Over a connection of its own: one that was kept may be dead since the last kill, which says nothing about the next one. */
export async function ask<A extends Answer>(url: string, init: RequestInit): Promise<A> {
  try {
    const response = await fetch(url, { ...init, headers: { ...init.headers, connection: 'close' } });
    const text = await response.text();
    // The body's own `status` is that of a connection, or repeats the answer's.
    return { ...(text === '' ? {} : (JSON.parse(text) as object)), status: response.status } as A;
  } catch {
    return { status: 0 } as A;
  }
}

export const isFinal = ({ status }: Answer): boolean => status !== 0 && status !== 503;

/** As any client would wait, so that a service that is coming back is not kept busy with refusing. */
export const moment = () => setTimeout(50 * Math.random());

/** Asks again, of one address after the other, until the answer is not "try again". */
export async function untilAnswered<A extends Answer>(
  urls: readonly string[],
  request: (url: string) => Promise<A>,
  first = 0,
): Promise<A> {
  for (let attempt = first; ; attempt += 1) {
    const answer = await request(urls[attempt % urls.length] ?? '');
    if (isFinal(answer)) return answer;
    await moment();
  }
}

/** Runs so many at a time; the results are in the order of the items. */
export async function inParallel<T, R>(width: number, items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await run(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}
