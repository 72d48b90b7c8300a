import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Fault, type Faults, readText } from '../common/index.js';
import { type ApiKey, isAuthorized } from './bearer.js';
import { type Chain } from './chain.js';
import { answerOcsp, type CertificateStatus } from './ocsp.js';
import { ApiError, apiErrors } from './api-error.js';
import { type Route } from './routes.js';
import { type State } from './state.js';

const bodyLimit = 1024 * 1024;

export const ocspPath = '/ocsp';

/** What the server needs to answer. It is set after the start, because the certificate chain contains the server's port. */
export interface ServerContext {
  readonly chain: Chain;
  readonly acceptedKey: ApiKey;
  readonly state: State;
  readonly routes: readonly Route[];
  readonly faults: Faults;
  readonly save: () => void;
}

/** Serves the App Store Server API and the OCSP responder. */
export class AppleServer {
  /** `down` cuts the connection of OCSP requests. */
  ocsp: CertificateStatus | 'down' = 'good';
  readonly server: Server;
  context: ServerContext | undefined;

  constructor() {
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error: unknown) => {
        console.error(error);
        response.destroy();
      });
    });
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { context } = this;
    if (!context) throw new Error('The fake has not started.');
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://fake');
    if (pathname === ocspPath) return this.answerOcsp(request, response, context.chain);
    const fault = context.faults.takeFault(`${request.method} ${pathname}`);
    if (fault?.kind === 'hang') return context.faults.leaveUnanswered(request);
    if (fault?.kind === 'refuse') {
      request.socket.destroy();
      return;
    }
    const body = await readText(request, bodyLimit);
    try {
      const answer = await this.answer(context, request, { pathname, searchParams, body, fault });
      if (fault?.kind === 'late-answer') await context.faults.delay(fault.milliseconds);
      if (fault?.kind === 'lose-answer') request.socket.destroy();
      else send(response, 200, answer);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      sendError(response, error);
    } finally {
      context.save();
    }
  }

  private async answer(
    { acceptedKey, faults, routes, state }: ServerContext,
    request: IncomingMessage,
    call: { pathname: string; searchParams: URLSearchParams; body: string; fault: Fault | undefined },
  ): Promise<object> {
    const { pathname, searchParams: query, body, fault } = call;
    if (fault?.kind === 'status') throw fault.status === 429 ? apiErrors.rateLimited() : apiErrors.internal();
    if (fault?.kind === 'slow') await faults.delay(fault.milliseconds);
    if (!(await isAuthorized(request.headers.authorization, acceptedKey)))
      throw new ApiError(401, 0, 'Unauthenticated');
    state.timeline.catchUp();
    for (const route of routes) {
      const match = route.method === request.method ? route.path.exec(pathname) : null;
      if (match) return route.handle({ id: decodeURIComponent(match[1] ?? ''), query, body: parsed(body) });
    }
    throw new ApiError(404, 0, 'Not found');
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
    throw apiErrors.badRequest();
  }
}

function send(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function sendError(response: ServerResponse, { status, errorCode, message }: ApiError): void {
  // Apple answers unauthenticated requests and unknown paths in plain text.
  if (errorCode === 0) {
    response.writeHead(status, { 'content-type': 'text/plain' }).end(`${message}\n`);
    return;
  }
  // "Retry-After … in UNIX time, in milliseconds": https://developer.apple.com/documentation/appstoreserverapi/identifying-rate-limits
  const headers: Record<string, string> = status === 429 ? { 'retry-after': String(Date.now() + 1000) } : {};
  send(response, status, { errorCode, errorMessage: message }, headers);
}
