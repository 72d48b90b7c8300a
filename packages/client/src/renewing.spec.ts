import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ConnectOptions } from './connecting.js';
import { VpnApiError } from './errors.js';
import { type ClientEvent } from './events.js';
import { renew, stayConnected } from './renewing.js';
import { type Connection } from './wallet/state.js';

const hour = 3_600_000;
const start = Date.parse('2030-01-01T00:00:00Z');

/** A client whose connections last a day, on the test's fake clock. */
class FakeClient {
  readonly log: string[] = [];
  readonly events: ClientEvent[] = [];
  readonly failures: Error[] = [];
  readonly wishes: (string | undefined)[] = [];
  private count = 0;

  readonly now = () => Date.now();
  readonly onEvent = (event: ClientEvent) => void this.events.push(event);
  readonly use = (next: Connection, previous?: Connection) =>
    void this.log.push(`use ${next.id} for ${previous?.id ?? 'nothing'}`);

  readonly connect = async (options: ConnectOptions = {}): Promise<Connection> => {
    this.wishes.push(options.location);
    const failure = this.failures.shift();
    if (failure) throw failure;
    const id = String(++this.count);
    this.log.push(`connect ${id}`);
    const renewAt = new Date(Date.now() + 22 * hour).toISOString();
    return { id, renewAt, location: `location ${id}` } as Connection;
  };

  readonly disconnect = async ({ id }: Connection): Promise<void> => void this.log.push(`disconnect ${id}`);
}

let client: FakeClient;
let stop: AbortController;

beforeEach(() => {
  vi.useFakeTimers({ now: start });
  client = new FakeClient();
  stop = new AbortController();
});
afterEach(() => void vi.useRealTimers());

const unreachable = () => new VpnApiError({ status: 0, code: 'unreachable', detail: '' });

describe('renew', () => {
  it('ends the old connection after the new one is in use', async () => {
    const first = await client.connect();
    const second = await renew(client, first, client.use, {});
    expect([second.id, client.log]).toEqual(['2', ['connect 1', 'connect 2', 'use 2 for 1', 'disconnect 1']]);
  });

  it('keeps the old connection and ends the new one when the new one cannot be used', async () => {
    const first = await client.connect();
    const refuse = () => Promise.reject(new Error('no tunnel'));
    await expect(renew(client, first, refuse, {})).rejects.toThrow('no tunnel');
    expect(client.log).toEqual(['connect 1', 'connect 2', 'disconnect 2']);
  });
});

describe('stayConnected', () => {
  const stay = () => stayConnected(client, { use: client.use, signal: stop.signal });

  it('renews before each connection ends, and disconnects when it is aborted', async () => {
    const done = stay();
    await vi.advanceTimersByTimeAsync(45 * hour);
    stop.abort();
    await done;
    expect(client.log).toEqual([
      ...['connect 1', 'use 1 for nothing'],
      ...['connect 2', 'use 2 for 1', 'disconnect 1'],
      ...['connect 3', 'use 3 for 2', 'disconnect 2'],
      'disconnect 3',
    ]);
  });

  it('keeps the old connection and retries after an error that a retry may fix', async () => {
    const done = stay();
    await vi.advanceTimersByTimeAsync(21 * hour);
    client.failures.push(unreachable(), unreachable());
    await vi.advanceTimersByTimeAsync(2 * hour);
    expect(client.events.map(({ type }) => type)).toEqual(['renewal_failed', 'renewal_failed']);
    expect(client.log.slice(-3)).toEqual(['connect 2', 'use 2 for 1', 'disconnect 1']);
    stop.abort();
    await done;
  });

  it('renews at the same location while it has room, else at another one that was requested', async () => {
    const done = stayConnected(client, { use: client.use, signal: stop.signal, location: 'Germany' });
    await vi.advanceTimersByTimeAsync(21 * hour);
    client.failures.push(new VpnApiError({ status: 503, code: 'no_capacity', detail: '' }));
    await vi.advanceTimersByTimeAsync(24 * hour);
    stop.abort();
    await done;
    expect(client.wishes).toEqual(['Germany', 'location 1', 'Germany', 'location 2']);
  });

  it('stops after an error that a retry cannot fix, and leaves the connection', async () => {
    const done = stay();
    const refused = expect(done).rejects.toMatchObject({ code: 'subscription_inactive' });
    await vi.advanceTimersByTimeAsync(21 * hour);
    client.failures.push(new VpnApiError({ status: 403, code: 'subscription_inactive', detail: '' }));
    await vi.advanceTimersByTimeAsync(2 * hour);
    await refused;
    expect(client.log).toEqual(['connect 1', 'use 1 for nothing']);
  });

  it('throws what the first attempt throws', async () => {
    client.failures.push(unreachable());
    await expect(stay()).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('ends a first connection that cannot be used', async () => {
    const refuse = () => Promise.reject(new Error('no tunnel'));
    await expect(stayConnected(client, { use: refuse, signal: stop.signal })).rejects.toThrow('no tunnel');
    expect(client.log).toEqual(['connect 1', 'disconnect 1']);
  });
});
