import { createParser } from 'eventsource-parser';
import { type Credentials, type Registration } from './credentials.js';
import { type Reading } from './meter.js';
import { type Timing } from './timing.js';
import {
  type ConnectionRevision,
  isRecord,
  type NodeEvent,
  parseEvent,
  parseJson,
  parsePeerList,
  parseTunnel,
  type PeerList,
} from './protocol.js';
import { withAbortController } from './with-abort-controller.js';

export type Fetch = typeof globalThis.fetch;

const requestTimeoutMs = 10_000;
/** Three heartbeats. */
const maxSilenceMs = 45_000;
/** In characters. A snapshot of 60,000 peers has some 20 MB. */
const maxEventLength = 64 * 1024 * 1024;

/**
 * A request that failed: the backend refused it, sent an invalid response (status 200) or cannot be reached (status 0). The
 * message contains nothing of the response.
 */
export class BackendError extends Error {
  override readonly name = 'BackendError';

  constructor(
    readonly status: number,
    /** The problem's `code`, else `unreachable` or `unexpected_answer`. */
    readonly code: string,
    /** Milliseconds to wait before the next attempt, as the backend's Retry-After says; else 0. */
    readonly retryAfterMs = 0,
  ) {
    super(status === 0 ? 'the backend cannot be reached' : `the backend answered ${status} (${code})`);
  }

  /** Whether a retry can never succeed, because the request or its credential is invalid. */
  get isFinal(): boolean {
    return this.status >= 400 && this.status < 500 && ![408, 429].includes(this.status);
  }

  /** Whether the backend does not accept the credential. */
  get refused(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

export interface Pulse extends Reading {
  readonly peers: number;
  /** While false, the backend gives the node no new connections. */
  readonly accepting: boolean;
}

/** The backend's node endpoints, one method each. */
export class Backend {
  readonly #base: URL;

  constructor(
    baseUrl: string,
    private readonly fetch: Fetch,
    private readonly timing: Timing,
  ) {
    this.#base = new URL(baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`);
  }

  /**
   * POST /node/register
   *
   * @param bearer an enrolment token; or the node's own credential, to update its registration and rotate the credential
   */
  async register(bearer: string, node: Registration): Promise<Credentials> {
    const body = {
      public_key: node.publicKey,
      ip: node.ip,
      ip_v6: node.ipV6,
      port: node.port,
      location_id: node.locationId,
      capacity: node.capacity,
      agent_version: node.agentVersion,
    };
    const answer = await this.#request('node/register', bearer, { body });
    const { id, credential, interface: settings } = answer;
    const tunnel = parseTunnel(settings);
    if (typeof id !== 'string' || typeof credential !== 'string' || tunnel === undefined) throw unexpectedAnswer();
    return { id, credential, interface: tunnel, registered: node };
  }

  /** POST /node/{id}/pulse */
  async pulse(node: Credentials, pulse: Pulse, signal: AbortSignal): Promise<{ status: string; nextPulseMs: number }> {
    const body = {
      currentLoad: Math.round(Math.min(100, Math.max(0, pulse.load))),
      peers: pulse.peers,
      rx_bytes: pulse.rxBytes,
      tx_bytes: pulse.txBytes,
      accepting: pulse.accepting,
    };
    const answer = await this.#request(`node/${node.id}/pulse`, node.credential, { body, signal });
    const { status, next_pulse_s } = answer;
    if (typeof status !== 'string' || typeof next_pulse_s !== 'number' || !(next_pulse_s > 0)) throw unexpectedAnswer();
    return { status, nextPulseMs: next_pulse_s * 1000 };
  }

  /** GET /node/{id}/peers */
  async peers(node: Credentials, signal: AbortSignal): Promise<PeerList> {
    const list = parsePeerList(await this.#request(`node/${node.id}/peers`, node.credential, { signal }));
    if (list === undefined) throw unexpectedAnswer();
    return list;
  }

  /** POST /node/{id}/acks; at most 5,000 additions and 5,000 removals */
  async acknowledge(
    node: Credentials,
    added: readonly ConnectionRevision[],
    removed: readonly ConnectionRevision[],
    signal?: AbortSignal,
  ): Promise<void> {
    const body = { added: added.map(toRow), removed: removed.map(toRow) };
    await this.#request(`node/${node.id}/acks`, node.credential, { body, signal });
  }

  /**
   * GET /node/{id}/events. Resolves when the stream ends.
   *
   * @param onEvent gets `undefined` for an invalid event
   * @throws {BackendError} when the stream does not open, breaks, or is silent for three heartbeats
   */
  async events(node: Credentials, onEvent: (event: NodeEvent | undefined) => void, signal: AbortSignal): Promise<void> {
    const lastChunk = { at: this.timing.now() };
    const parser = createParser({
      onEvent: ({ event, data }) => onEvent(parseEvent(event, data)),
      maxBufferSize: maxEventLength,
    });
    await withAbortController({ signal }, async (controller) => {
      const watch = this.#abortWhenSilent(lastChunk, controller);
      try {
        const answer = await this.#send(`node/${node.id}/events`, node.credential, {
          accept: 'text/event-stream',
          signal: controller.signal,
        });
        if (answer.body === null || !answer.headers.get('content-type')?.startsWith('text/event-stream')) {
          await answer.body?.cancel();
          throw unexpectedAnswer();
        }
        const text = new TextDecoder();
        await readBody(answer.body, controller.signal, (chunk) => {
          lastChunk.at = this.timing.now();
          parser.feed(text.decode(chunk, { stream: true }));
        });
      } catch (error) {
        throw error instanceof BackendError ? error : new BackendError(0, 'unreachable');
      } finally {
        controller.abort();
        await watch;
      }
    });
  }

  async #abortWhenSilent(lastChunk: { readonly at: number }, controller: AbortController): Promise<void> {
    while (!controller.signal.aborted) {
      const rest = lastChunk.at + maxSilenceMs - this.timing.now();
      if (rest <= 0) return controller.abort();
      await this.timing.sleep(rest, controller.signal);
    }
  }

  async #request(
    path: string,
    credential: string,
    { body, signal }: { body?: unknown; signal?: AbortSignal | undefined },
  ): Promise<Record<string, unknown>> {
    return withAbortController({ signal, timeoutMs: requestTimeoutMs }, async (controller) => {
      const options = { body, accept: 'application/json', signal: controller.signal };
      const answer = await this.#send(path, credential, options);
      const document = parseJson(await readText(answer, controller.signal));
      if (!isRecord(document)) throw unexpectedAnswer();
      return document;
    });
  }

  async #send(
    path: string,
    credential: string,
    { body, accept, signal }: { body?: unknown; accept: string; signal: AbortSignal },
  ): Promise<Response> {
    const headers: Record<string, string> = { accept, authorization: `Bearer ${credential}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    let answer: Response;
    try {
      answer = await this.fetch.call(globalThis, new URL(path, this.#base), {
        method: body === undefined ? 'GET' : 'POST',
        headers,
        redirect: 'error',
        signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch {
      throw new BackendError(0, 'unreachable');
    }
    if (!answer.ok) throw await errorFrom(answer, signal);
    return answer;
  }
}

async function errorFrom(answer: Response, signal: AbortSignal): Promise<BackendError> {
  const problem = parseJson(await readText(answer, signal));
  const code = isRecord(problem) && typeof problem['code'] === 'string' ? problem['code'] : 'unexpected_answer';
  const seconds = Number(answer.headers.get('retry-after') ?? 0);
  return new BackendError(answer.status, code, Number.isFinite(seconds) ? Math.min(seconds, 300) * 1000 : 0);
}

/**
 * Reads a body to its end, and closes the connection when the signal aborts. Node 20's fetch cannot be trusted to do that: a
 * garbage collection makes it forget its signal once the response has begun.
 *
 * @throws {Error} when the body breaks off or the signal aborts
 */
async function readBody(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  onChunk: (chunk: Uint8Array) => void,
): Promise<void> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => undefined);
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel);
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) onChunk(next.value);
    // A cancelled body ends like a complete one.
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', cancel);
    cancel();
  }
}

/** The whole body; empty when it cannot be read. */
async function readText({ body }: Response, signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    if (body !== null) await readBody(body, signal, (chunk) => (text += decoder.decode(chunk, { stream: true })));
    return text + decoder.decode();
  } catch {
    return '';
  }
}

function unexpectedAnswer(): BackendError {
  return new BackendError(200, 'unexpected_answer');
}

function toRow({ connectionId, revision }: ConnectionRevision) {
  return { connection_id: connectionId, revision };
}
