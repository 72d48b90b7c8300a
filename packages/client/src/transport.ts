import { type Problem } from './api.gen.js';
import { type ApiProblem, VpnApiError } from './errors.js';

export type Fetch = typeof globalThis.fetch;

const timeoutMs = 15_000;

/** A request of the API, as the types that are generated from openapi.json have it. */
export interface ApiRequest {
  readonly url: string;
  readonly body?: unknown;
  readonly path?: Readonly<Record<string, string>> | undefined;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
}

export interface Call<Request extends ApiRequest> {
  readonly path: Request['url'];
  /** What stands in the path's braces. */
  readonly params?: Request['path'];
  readonly query?: Request['query'];
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: Request['body'];
  readonly bearer?: string;
  /** The ETag of what is to be changed. */
  readonly ifMatch?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  /** JSON; undefined for 204. */
  readonly body: unknown;
  readonly etag: string | undefined;
}

/**
 * Requests to one side. It holds nothing but the side's address: no cookie is sent or kept, no referrer, no header but
 * those of the call itself, and a redirect is an error, so that nothing follows it to another host.
 */
export class Transport {
  private readonly base: URL;

  constructor(
    baseUrl: string,
    private readonly fetch: Fetch,
  ) {
    this.base = new URL(baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`);
  }

  /**
   * A request that the API has: another path or body does not compile.
   *
   * @returns the answer's JSON; undefined for 204
   * @throws {VpnApiError}; what the signal was aborted with
   */
  async call<Request extends ApiRequest>(call: Call<Request>): Promise<unknown> {
    return (await this.exchange(call)).body;
  }

  /**
   * The same, with the answer's ETag.
   *
   * @throws as `call`
   */
  async exchange<Request extends ApiRequest>(call: Call<Request>): Promise<Answer> {
    const { method = 'GET', body, bearer, ifMatch, signal } = call;
    const headers: Record<string, string> = { accept: 'application/json' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (bearer !== undefined) headers['authorization'] = `Bearer ${bearer}`;
    if (ifMatch !== undefined) headers['if-match'] = ifMatch;
    let answer: Response;
    let text: string;
    try {
      answer = await this.fetch.call(globalThis, new URL(addressOf(call), this.base).href, {
        method,
        headers,
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        cache: 'no-store',
        redirect: 'error',
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await answer.text();
    } catch (cause) {
      signal?.throwIfAborted();
      const detail = `${this.base.host} did not answer. Check the connection and try again.`;
      throw new VpnApiError({ status: 0, code: 'unreachable', detail }, { cause });
    }
    const document = parseJson(text);
    if (!answer.ok) throw new VpnApiError(problemOf(answer, document));
    if (document === undefined && answer.status !== 204) throw unexpectedAnswer(answer.status);
    return { body: document, etag: answer.headers.get('etag') ?? undefined };
  }
}

function addressOf({ path, params = {}, query = {} }: Pick<Call<ApiRequest>, 'path' | 'params' | 'query'>): string {
  const filled = path.slice(1).replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  return given.length === 0 ? filled : `${filled}?${new URLSearchParams(given).toString()}`;
}

export function unexpectedAnswer(status: number): VpnApiError {
  return new VpnApiError({ status, code: 'unexpected_answer', detail: 'The answer is not one of this service.' });
}

/** From problem+json (RFC 9457) as this service writes it. */
function problemOf(answer: Response, document: unknown): ApiProblem {
  const problem: { readonly [Name in keyof Problem | 'remaining']?: unknown } =
    typeof document === 'object' && document !== null ? document : {};
  const { code, detail, title, remaining } = problem;
  const seconds = answer.headers.get('retry-after');
  const retryAfter = seconds !== null && /^\d{1,9}$/.test(seconds) ? Number(seconds) : undefined;
  if (typeof code !== 'string') return { ...unexpectedAnswer(answer.status), retryAfter };
  const explanation = [detail, title].find((text) => typeof text === 'string') ?? code;
  return {
    status: answer.status,
    code,
    detail: explanation,
    retryAfter,
    remaining: typeof remaining === 'number' ? remaining : undefined,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
