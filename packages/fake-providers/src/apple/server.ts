import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Fault, type Faults, readText } from '../common/index.js';
import { type Caller, isCaller } from './bearer.js';
import { type Chain } from './chain.js';
import { answerOcsp, type CertificateStatus } from './ocsp.js';
import { Refusal, refusals } from './refusal.js';
import { type Route } from './routes.js';
import { type State } from './state.js';

const bodyLimit = 1024 * 1024;

export const ocspPath = '/ocsp';

/** What is served once there is a chain, which needs the server's own port. */
export interface Served {
  readonly chain: Chain;
  readonly caller: Caller;
  readonly state: State;
  readonly routes: readonly Route[];
  readonly faults: Faults;
  readonly changed: () => void;
}

/** The App Store Server API, and the responder that says whether certificates are still good. */
export class AppleServer {
  /** Down: OCSP requests are cut. */
  ocsp: CertificateStatus | 'down' = 'good';
  readonly server: Server;
  served: Served | undefined;

  constructor() {
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error: unknown) => {
        console.error(error);
        response.destroy();
      });
    });
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { served } = this;
    if (!served) throw new Error('The fake has not started.');
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://fake');
    if (pathname === ocspPath) return this.answerOcsp(request, response, served.chain);
    const fault = served.faults.strike(`${request.method} ${pathname}`);
    if (fault?.kind === 'hang') return served.faults.hang(request);
    if (fault?.kind === 'refuse') {
      request.socket.destroy();
      return;
    }
    const body = await readText(request, bodyLimit);
    try {
      const answer = await this.answer(served, request, { pathname, searchParams, body, fault });
      if (fault?.kind === 'late-answer') await served.faults.wait(fault.milliseconds);
      if (fault?.kind === 'lose-answer') request.socket.destroy();
      else send(response, 200, answer);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      sendRefusal(response, error);
    } finally {
      served.changed();
    }
  }

  private async answer(
    { caller, faults, routes, state }: Served,
    request: IncomingMessage,
    asked: { pathname: string; searchParams: URLSearchParams; body: string; fault: Fault | undefined },
  ): Promise<object> {
    const { pathname, searchParams: query, body, fault } = asked;
    if (fault?.kind === 'status') throw fault.status === 429 ? refusals.rateLimited() : refusals.internal();
    if (fault?.kind === 'slow') await faults.wait(fault.milliseconds);
    if (!(await isCaller(request.headers.authorization, caller))) throw new Refusal(401, 0, 'Unauthenticated');
    state.timeline.catchUp();
    for (const route of routes) {
      const match = route.method === request.method ? route.path.exec(pathname) : null;
      if (match) return route.answer({ id: decodeURIComponent(match[1] ?? ''), query, body: parsed(body) });
    }
    throw new Refusal(404, 0, 'Not found');
  }

  private async answerOcsp(request: IncomingMessage, response: ServerResponse, chain: Chain): Promise<void> {
    if (this.ocsp === 'down') {
      request.socket.destroy();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const answer = answerOcsp(Buffer.concat(chunks), chain, this.ocsp);
    response.writeHead(200, { 'content-type': 'application/ocsp-response' }).end(answer);
  }
}

function parsed(body: string): unknown {
  try {
    return body === '' ? undefined : JSON.parse(body);
  } catch {
    throw refusals.badRequest();
  }
}

function send(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function sendRefusal(response: ServerResponse, { status, errorCode, message }: Refusal): void {
  // An unauthenticated caller is told so in plain text.
  if (errorCode === 0) {
    response.writeHead(status, { 'content-type': 'text/plain' }).end(`${message}\n`);
    return;
  }
  // "Retry-After … in UNIX time, in milliseconds": https://developer.apple.com/documentation/appstoreserverapi/identifying-rate-limits
  const headers: Record<string, string> = status === 429 ? { 'retry-after': String(Date.now() + 1000) } : {};
  send(response, status, { errorCode, errorMessage: message }, headers);
}
