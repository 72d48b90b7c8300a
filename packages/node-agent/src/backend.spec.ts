import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ManualTiming } from '../test/manual-timing.js';
import { Backend, type Fetch } from './backend.js';
import { type Credentials } from './credentials.js';

const node: Credentials = {
  id: 'node-1',
  credential: 'credential-1',
  interface: {
    addresses: [],
    resolvers: { none: [], ads: [], ads_trackers_malware: [] },
    listenPort: 51_820,
    mtu: 1_420,
  },
  registered: { publicKey: 'node-key', ip: '192.0.2.1', locationId: 'de-frankfurt' },
};

/** A fetch whose response never ends, and which then ignores its signal, as Node 20 does after a garbage collection. */
function fetchIgnoringSignal(contentType: string) {
  const cancelled = vi.fn();
  const fetch: Fetch = async () =>
    new Response(new ReadableStream({ cancel: cancelled }), { headers: { 'content-type': contentType } });
  return { fetch, cancelled };
}

/** Lets a request get as far as waiting for its body. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('Backend', () => {
  let stop: AbortController;
  let timing: ManualTiming;

  beforeEach(() => {
    stop = new AbortController();
    timing = new ManualTiming();
  });
  afterEach(() => vi.useRealTimers());

  it('closes the event stream when it is aborted, even if fetch ignores its signal', async () => {
    const { fetch, cancelled } = fetchIgnoringSignal('text/event-stream');
    const events = new Backend('http://127.0.0.1', fetch, timing).events(node, () => undefined, stop.signal);
    const failed = expect(events).rejects.toMatchObject({ code: 'unreachable' });
    await turn();
    stop.abort();
    await failed;
    expect(cancelled).toHaveBeenCalledTimes(1);
  });

  it('closes the event stream after three silent heartbeats, even if fetch ignores its signal', async () => {
    const { fetch, cancelled } = fetchIgnoringSignal('text/event-stream');
    const events = new Backend('http://127.0.0.1', fetch, timing).events(node, () => undefined, stop.signal);
    const failed = expect(events).rejects.toMatchObject({ code: 'unreachable' });
    await turn();
    await timing.advance(44_999);
    expect(cancelled).not.toHaveBeenCalled();
    await timing.advance(1);
    await failed;
    expect(cancelled).toHaveBeenCalledTimes(1);
  });

  it('abandons a request when it is aborted, even if fetch ignores its signal', async () => {
    const { fetch, cancelled } = fetchIgnoringSignal('application/json');
    const peers = new Backend('http://127.0.0.1', fetch, timing).peers(node, stop.signal);
    const failed = expect(peers).rejects.toMatchObject({ code: 'unexpected_answer' });
    await turn();
    stop.abort();
    await failed;
    expect(cancelled).toHaveBeenCalledTimes(1);
  });

  it('abandons a request after ten seconds, even if fetch ignores its signal', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { fetch, cancelled } = fetchIgnoringSignal('application/json');
    const peers = new Backend('http://127.0.0.1', fetch, timing).peers(node, stop.signal);
    const failed = expect(peers).rejects.toMatchObject({ code: 'unexpected_answer' });
    await turn();
    vi.advanceTimersByTime(9_999);
    expect(cancelled).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    await failed;
    expect(cancelled).toHaveBeenCalledTimes(1);
  });
});
