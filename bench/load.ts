import { Client } from 'undici';

export interface LoadRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

export interface LoadOptions {
  readonly url: string;
  /** As many requests are under way at any time: a client sends its next one when it has the answer to the last. */
  readonly connections: number;
  /** Requests that finish in this first time are not counted. */
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Gives a request that was prepared; undefined ends the load early. */
  readonly next: () => LoadRequest | undefined;
  /** Called when counting begins and when it ends. */
  readonly onWindow?: (edge: 'begin' | 'end') => void;
}

export interface LoadResult {
  /** Answers of status 200 a second. */
  readonly rate: number;
  /** Of those answers, in milliseconds. */
  readonly latencies: readonly number[];
  /** Every other answer within the window, by what it said. */
  readonly refusals: Readonly<Record<string, number>>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Closed-loop load over keep-alive connections, one request at a time on each. */
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
      if (request === undefined) throw new Error('The prepared requests are used up: prepare more for this machine.');
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
    // All loops may have ended just before the timer.
    count('end');
  } finally {
    timers.forEach(clearTimeout);
    await Promise.all(clients.map((client) => client.destroy()));
  }
  return { rate: latencies.length / (measureMs / 1000), latencies, refusals };
}

/** One request and its whole answer, whose body is only kept when it is a refusal. */
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
