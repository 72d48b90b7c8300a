import { Client } from 'undici';

export interface LoadRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

export interface LoadOptions {
  readonly url: string;
  /** Number of clients. Each sends its next request when it has the answer to the last one. */
  readonly connections: number;
  /** Requests that finish during this time are not counted. */
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Returns the next prepared request; undefined when there is none left, which is an error. */
  readonly next: () => LoadRequest | undefined;
  /** Called when counting begins and when it ends. */
  readonly onWindow?: (edge: 'begin' | 'end') => void;
}

export interface LoadResult {
  /** Answers with status 200 per second. */
  readonly rate: number;
  /** Latencies of those answers in milliseconds. */
  readonly latencies: readonly number[];
  /** Number of all other answers within the window, by status and body. */
  readonly refusals: Readonly<Record<string, number>>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Generates closed-loop load over keep-alive connections, with one request at a time on each. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { url, connections, warmUpMs, measureMs, next, onWindow } = options;
  const clients = Array.from(
    { length: connections },
    () => new Client(url, { pipelining: 1, keepAliveTimeout: 60_000 }),
  );
  const latencies: number[] = [];
  const refusals: Record<string, number> = {};
  const begin = performance.now() + warmUpMs;
  const end = begin + measureMs;
  let isCounting = false;
  const count = (edge: 'begin' | 'end') => {
    if (isCounting === (edge === 'begin')) return;
    isCounting = edge === 'begin';
    onWindow?.(edge);
  };
  const timers = [setTimeout(() => count('begin'), warmUpMs), setTimeout(() => count('end'), warmUpMs + measureMs)];
  const loop = async (client: Client) => {
    while (performance.now() < end) {
      const request = next();
      if (request === undefined) throw new Error('The prepared requests are used up. Prepare more for this machine.');
      const sent = performance.now();
      const { status, body } = await send(client, request);
      const received = performance.now();
      if (received < begin || received > end) continue;
      if (status === 200) latencies.push(received - sent);
      else refusals[`${status} ${body.slice(0, 200)}`] = (refusals[`${status} ${body.slice(0, 200)}`] ?? 0) + 1;
    }
  };
  try {
    await Promise.all(clients.map(loop));
    // All loops may end just before the timer.
    count('end');
  } finally {
    timers.forEach(clearTimeout);
    await Promise.all(clients.map((client) => client.destroy()));
  }
  return { rate: latencies.length / (measureMs / 1000), latencies, refusals };
}

/** Sends one request and reads the whole answer. Returns the body only of a refusal. */
function send(client: Client, { path, headers, body }: LoadRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let status = 0;
    const refusal: Buffer[] = [];
    client.dispatch(
      { method: 'POST', path, headers, body },
      {
        onRequestStart: () => {},
        onResponseStart: (_controller, statusCode) => {
          status = statusCode;
        },
        onResponseData: (_controller, chunk) => {
          if (status !== 200) refusal.push(chunk);
        },
        onResponseEnd: () => resolve({ status, body: Buffer.concat(refusal).toString() }),
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}
