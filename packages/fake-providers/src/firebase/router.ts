import { type IncomingMessage, type ServerResponse } from 'node:http';
import { GoogleError } from './google-error.js';

export interface Request {
  readonly body: unknown;
  readonly headers: IncomingMessage['headers'];
  readonly query: URLSearchParams;
  /** The values of the named groups in the route's path. */
  readonly params: Readonly<Record<string, string>>;
}

export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  readonly headers?: Readonly<Record<string, string>>;
  handle(request: Request): object | Promise<object>;
}

/** How the provider fails: it cuts connections, never answers, or answers each request with an error. */
export type Outage = 'refusing' | 'hanging' | 'failing';

const bodyLimit = 64 * 1024;

/** When Firebase's client SDK talks to an emulator, it starts the path with the host of the real service. */
const hostPrefix = /^\/(identitytoolkit|securetoken|www)\.googleapis\.com(?=\/)/;

/** Browsers may call from any origin, because the fake holds no real data. */
const cors = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': '*',
  'access-control-allow-methods': 'GET, POST',
};

/** Answers requests with JSON by a table of routes. Errors are in Google's format. */
export class Router {
  outage: Outage | undefined;

  constructor(private readonly routes: readonly Route[]) {}

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (this.outage === 'hanging') return;
    if (this.outage === 'refusing') {
      request.socket.destroy();
      return;
    }
    this.answer(request).then(
      ([body, headers]) => send(response, 200, body, headers),
      (error: unknown) => {
        const refusal = error instanceof GoogleError ? error : new GoogleError('INTERNAL_ERROR', 500);
        send(response, refusal.status, refusal);
      },
    );
  };

  private async answer(request: IncomingMessage): Promise<[object, Route['headers']]> {
    if (this.outage === 'failing') throw new GoogleError('INTERNAL_ERROR', 500);
    if (request.method === 'OPTIONS') return [{}, undefined];
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://fake');
    const path = decodeURIComponent(pathname.replace(hostPrefix, ''));
    for (const route of this.routes) {
      const match = request.method === route.method ? route.path.exec(path) : null;
      if (!match) continue;
      const body = await readBody(request);
      const { headers } = request;
      return [await route.handle({ body, headers, query, params: match.groups ?? {} }), route.headers];
    }
    throw new GoogleError('NOT_FOUND', 404);
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyLimit) throw new GoogleError('REQUEST_TOO_LARGE', 413);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  if (request.headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
    return Object.fromEntries(new URLSearchParams(text));
  }
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    throw new GoogleError('INVALID_ARGUMENT');
  }
}

function send(response: ServerResponse, status: number, body: object, headers: Route['headers'] = {}): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8', ...cors, ...headers });
  response.end(JSON.stringify(body));
}
