import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VpnApiError } from '../errors.js';
import { type ClientEvent } from '../events.js';
import { memoryStorage } from './storage.js';
import { VpnWallet } from './vpn-wallet.js';
import { Wallet } from './wallet.js';

const minute = 60_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('VpnWallet.keepFilled', () => {
  it('checks every minute, less often after a failure, and stops when it is aborted', async () => {
    const events: ClientEvent[] = [];
    const failure = new VpnApiError({ status: 0, code: 'unreachable', detail: '' });
    const prefetchIfDue = vi.fn<() => Promise<number>>().mockResolvedValue(0);
    const wallet = new VpnWallet({
      wallet: new Wallet(memoryStorage(), Date.now),
      prefetching: { prefetchIfDue },
      now: Date.now,
      onEvent: (event) => void events.push(event),
    });
    const stop = new AbortController();
    const done = wallet.keepFilled({ signal: stop.signal });
    await vi.advanceTimersByTimeAsync(2 * minute);
    expect(prefetchIfDue).toHaveBeenCalledTimes(3);

    prefetchIfDue.mockRejectedValueOnce(failure);
    await vi.advanceTimersByTimeAsync(minute);
    expect(events).toEqual([{ type: 'prefetch_failed', error: failure }]);
    await vi.advanceTimersByTimeAsync(10 * minute - 1);
    expect(prefetchIfDue).toHaveBeenCalledTimes(4);
    await vi.advanceTimersByTimeAsync(1);
    expect(prefetchIfDue).toHaveBeenCalledTimes(5);

    stop.abort();
    await done;
    expect(vi.getTimerCount()).toBe(0);
  });
});
