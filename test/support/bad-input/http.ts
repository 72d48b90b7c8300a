import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Empty for a stream of events, which has no end. */
  readonly text: string;
}

/** Sends requests that `fetch` refuses or corrects: any method, a body with any method, the same header twice. */
export async function send(baseUrl: string, { method, path, headers = {}, body }: RawRequest): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const { hostname, port } = new URL(baseUrl);
  // Node sends no Content-Length with a GET. Without it, the service would read the body as a second request.
  const length =
    body === undefined || 'transfer-encoding' in headers ? {} : { 'content-length': Buffer.byteLength(body) };
  const sent = { ...headers, ...length } as OutgoingHttpHeaders;
  const outgoing = request({ hostname, port, method, path, headers: sent });
  outgoing.on('response', (response) => {
    const answer = { status: response.statusCode ?? 0, headers: response.headers };
    if (response.headers['content-type']?.startsWith('text/event-stream')) {
      resolve({ ...answer, text: '' });
      response.destroy();
      return;
    }
    response
      .toArray()
      .then((chunks) => resolve({ ...answer, text: Buffer.concat(chunks as Buffer[]).toString() }), reject);
  });
  outgoing.on('error', reject);
  outgoing.end(body);
  return promise;
}

/** Sends a good request, up to ten times while the answer is 503: on a busy machine, a node may not acknowledge in time. */
export async function sendGood(baseUrl: string, request: RawRequest): Promise<RawAnswer> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await send(baseUrl, request);
    if (answer.status !== 503 || attempt === 10) return answer;
  }
}
