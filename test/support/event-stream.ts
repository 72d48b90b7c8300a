import { type TestNode } from './fleet.js';

/** A peer in the node protocol; a removal has only the first three fields. */
interface PeerDocument {
  readonly connection_id: string;
  readonly revision: number;
  readonly public_key: string;
  readonly status?: string;
  readonly preshared_key?: string;
  readonly allowed_ips?: string[];
  readonly dns_blocking?: string;
  readonly expires_at?: string;
}

export interface PeerListDocument {
  readonly peers: PeerDocument[];
  readonly complete: boolean;
}

/** A node's open event stream, and the events that it has received. */
export interface EventStream {
  readonly response: Response;
  /** Resolves to the next event of this kind that was not taken yet; waits for it if necessary. */
  next(kind: 'snapshot'): Promise<PeerListDocument>;
  next(kind: 'peer-added' | 'peer-removed'): Promise<PeerDocument>;
  next(kind: 'drain' | 'heartbeat'): Promise<object>;
  /** Kinds of received events that were not taken yet, in order, without heartbeats, whose timing varies. */
  waiting(): string[];
  /** Resolves when the stream has ended: to true when the service closed it, to false when it broke. */
  readonly ended: Promise<boolean>;
  close(): void;
}

/** Opens a node's stream as an agent does, but applies and acknowledges nothing. */
export async function followEvents(url: string, { id, credential }: TestNode): Promise<EventStream> {
  const abort = new AbortController();
  const headers = { authorization: `Bearer ${credential}`, accept: 'text/event-stream' };
  const response = await fetch(`${url}/node/${id}/events`, { headers, signal: abort.signal });
  const events: { kind: string; data: string }[] = [];
  let received = Promise.withResolvers<void>();
  const read = async () => {
    const text = new TextDecoder();
    let rest = '';
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      const parts = (rest + text.decode(chunk, { stream: true })).split('\n\n');
      rest = parts.pop() ?? '';
      for (const part of parts) {
        const [, kind = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(part) ?? [];
        events.push({ kind, data });
      }
      received.resolve();
      received = Promise.withResolvers();
    }
  };
  const ended = read().then(
    () => true,
    () => false,
  );
  const next = async (kind: string) => {
    for (;;) {
      const index = events.findIndex((event) => event.kind === kind);
      if (index >= 0) return JSON.parse(events.splice(index, 1)[0]?.data ?? '') as never;
      const over = await Promise.race([received.promise, ended]);
      if (over !== undefined) throw new Error(`the stream ended without ${kind}`);
    }
  };
  return {
    response,
    next,
    waiting: () => events.map(({ kind }) => kind).filter((kind) => kind !== 'heartbeat'),
    ended,
    close: () => abort.abort(),
  };
}
