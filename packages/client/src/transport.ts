import { type Problem } from './api.gen.js';
import { type ApiProblem, VpnApiError } from './errors.js';

export type Fetch = typeof globalThis.fetch;

const timeoutMs = 15_000;

/** A request of the API, as in the types that are generated from openapi.json. */
export interface ApiRequest {
  readonly url: string;
  readonly body?: unknown;
  readonly path?: Readonly<Record<string, string>> | undefined;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
}

export interface Call<Request extends ApiRequest> {
  readonly path: Request['url'];
  /** Values for the placeholders of the path, such as `{id}`. */
  readonly params?: Request['path'];
  readonly query?: Request['query'];
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: Request['body'];
  readonly bearer?: string;
  /** The ETag of the version to change. */
  readonly ifMatch?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  /** JSON; undefined for 204. */
  readonly body: unknown;
  readonly etag: string | undefined;
}

/**
 * Sends requests to one side. It stores nothing but the side's base URL. It sends and stores no cookies, sends no referrer and
 * no headers but those of the call, and treats a redirect as an error, so that nothing is sent to another host.
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
   * Sends a request of the API. A path or body that the API does not have does not compile.
   *
   * @returns the answer's JSON; undefined for 204
   * @throws {VpnApiError}; the signal's abort reason
   */
  async call<Request extends ApiRequest>(call: Call<Request>): Promise<unknown> {
    return (await this.exchange(call)).body;
  }

  /**
   * `call`, but returns the answer's ETag too.
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
      answer = await this.fetch.call(globalThis, new URL(pathAndQuery(call), this.base).href, {
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
      const detail = `${this.base.host} did not answer. Check your internet connection and try again.`;
      throw new VpnApiError({ status: 0, code: 'unreachable', detail }, { cause });
    }
    const document = parseJson(text);
    if (!answer.ok) throw new VpnApiError(problemOf(answer, document));
    if (document === undefined && answer.status !== 204) throw unexpectedAnswer(answer.status);
    return { body: document, etag: answer.headers.get('etag') ?? undefined };
  }
}

function pathAndQuery({ path, params = {}, query = {} }: Pick<Call<ApiRequest>, 'path' | 'params' | 'query'>): string {
  const filled = path.slice(1).replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  return given.length === 0 ? filled : `${filled}?${new URLSearchParams(given).toString()}`;
}

export function unexpectedAnswer(status: number): VpnApiError {
  const detail = 'The answer did not come from the VPN service. Check the network, the URL and the version of the app.';
  return new VpnApiError({ status, code: 'unexpected_answer', detail });
}

/** Reads problem+json (RFC 9457). */
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
