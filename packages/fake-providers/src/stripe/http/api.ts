import { type IncomingMessage, type ServerResponse } from 'node:http';
import Stripe from 'stripe';
import { type Fault, type Faults, readText } from '../../common/index.js';
import { type Account } from '../account.js';
import { ApiError, invalid } from '../errors.js';
import { Expander } from './expand.js';
import { parseForm } from './form.js';
import { type ApiResponse, Idempotency } from './idempotency.js';
import { type ParsedRequest, findRoute, type Route } from './router.js';

const bodyLimit = 1024 * 1024;

interface ApiOptions {
  readonly account: Account;
  readonly apiKey: string;
  readonly routes: readonly Route[];
  readonly faults: Faults;
  /** Called after each executed request. */
  readonly save: () => void;
}

/** Stripe's API over HTTP: keys, versions, idempotency, expansion, errors, and injected faults. */
export class Api {
  /** The request that is being executed, as events contain it. */
  current: Stripe.Event.Request | null = null;
  private readonly idempotency = new Idempotency();
  private readonly expander: Expander;

  constructor(private readonly options: ApiOptions) {
    this.expander = new Expander(options.account);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fault = this.options.faults.takeFault(`${request.method} ${request.url}`);
    if (fault?.kind === 'hang') return this.options.faults.leaveUnanswered(request);
    if (fault?.kind === 'refuse') {
      request.socket.destroy();
      return;
    }
    const requestId = this.options.account.id('req', 14);
    const key = request.headers['idempotency-key'];
    try {
      if (fault?.kind === 'status') throw faultError(fault.status);
      const answer = await this.answer(request, requestId, fault);
      if (fault?.kind === 'late-answer') await this.options.faults.delay(fault.milliseconds);
      if (fault?.kind === 'lose-answer') {
        request.socket.destroy();
        return;
      }
      const replayed = answer.requestId !== requestId && {
        'idempotent-replayed': 'true',
        'original-request': answer.requestId,
      };
      send(response, answer, { 'request-id': requestId, ...(key && { 'idempotency-key': String(key) }), ...replayed });
    } catch (error) {
      send(response, errorAnswer(error, requestId), { 'request-id': requestId });
    }
  }

  private async answer(request: IncomingMessage, requestId: string, fault: Fault | undefined): Promise<ApiResponse> {
    const { method = 'GET', url = '/', headers } = request;
    const body = await readText(request, bodyLimit).catch(() => {
      throw invalid('Request is too large.', { status: 413 });
    });
    this.authenticate(headers.authorization);
    const version = headers['stripe-version'];
    if (version !== undefined && version !== Stripe.API_VERSION) {
      throw invalid(`Invalid Stripe API version: ${String(version)}; the fake speaks ${Stripe.API_VERSION}.`);
    }
    const [path = '', query = ''] = url.split('?');
    const { route, id } = findRoute(this.options.routes, method, path);
    const form = method === 'POST' ? body : query;
    const parsed = route.read(parseForm(form));
    // "All POST requests accept idempotency keys"; GET and DELETE are idempotent by definition.
    const key = method === 'POST' ? headers['idempotency-key'] : undefined;
    if (typeof key !== 'string') return this.execute(route, parsed, id, requestId, fault, null);
    const earlier = this.idempotency.begin(key, `${method} ${path} ${form}`, this.options.account.timeline.now());
    if (earlier) return earlier;
    const answer = await this.execute(route, parsed, id, requestId, fault, key);
    this.idempotency.end(key, answer);
    return answer;
  }

  private async execute(
    route: Route,
    { params, expand }: ParsedRequest,
    id: string,
    requestId: string,
    fault: Fault | undefined,
    key: string | null,
  ): Promise<ApiResponse> {
    if (fault?.kind === 'slow') await this.options.faults.delay(fault.milliseconds);
    this.options.account.timeline.catchUp();
    this.current = { id: requestId, idempotency_key: key };
    try {
      return { status: 200, body: this.expander.expand(route.handle(params, id), expand), requestId };
    } catch (error) {
      return errorAnswer(error, requestId);
    } finally {
      this.current = null;
      this.options.save();
    }
  }

  private authenticate(authorization: string | undefined): void {
    const key = /^Bearer (.+)$/.exec(authorization ?? '')?.[1];
    if (key === this.options.apiKey) return;
    const message =
      key === undefined
        ? 'You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth.'
        : `Invalid API Key provided: ${key.slice(0, 8)}${'*'.repeat(12)}${key.slice(-4)}`;
    throw invalid(message, { status: 401 });
  }
}

function faultError(status: 400 | 429 | 500 | 503): ApiError {
  if (status === 400) return invalid('This account is not allowed to make this request.');
  if (status !== 429) return new ApiError(status, { type: 'api_error', message: 'An unknown error occurred.' });
  const message = 'Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits.';
  return invalid(message, { code: 'rate_limit', status });
}

function errorAnswer(error: unknown, requestId: string): ApiResponse {
  if (error instanceof ApiError) return { status: error.status, body: { error: error.body }, requestId };
  // A bug in the fake: show it to the developer.
  console.error(error);
  const message = error instanceof Error ? error.message : String(error);
  return { status: 500, body: { error: { type: 'api_error', message: `Bug in the fake: ${message}` } }, requestId };
}

function send(response: ServerResponse, { status, body }: ApiResponse, headers: Record<string, string>): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'stripe-version': Stripe.API_VERSION,
    ...(status === 429 && { 'stripe-rate-limited-reason': 'global-rate' }),
    ...headers,
  });
  response.end(JSON.stringify(body));
}
